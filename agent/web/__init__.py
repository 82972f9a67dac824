"""The page of `ditpipe web`: a conversation on the left, the picture with its regions on the right."""
