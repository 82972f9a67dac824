"""Conversations: sessions and their store, turns, history, plan edits and replies."""
