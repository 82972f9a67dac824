"""The sizes that models trained on aspect-ratio buckets were trained at, from diffusers' tables."""


def ratios(side: int) -> list[tuple[int, int]]:
    """Widths and heights in pixels of the buckets of about `side`² pixels; `side`×`side` alone if there is no table."""
    from diffusers.pipelines.pixart_alpha import pipeline_pixart_alpha as alpha
    from diffusers.pipelines.pixart_alpha.pipeline_pixart_sigma import ASPECT_RATIO_2048_BIN

    tables = {
        256: alpha.ASPECT_RATIO_256_BIN, 512: alpha.ASPECT_RATIO_512_BIN, 1024: alpha.ASPECT_RATIO_1024_BIN,
        2048: ASPECT_RATIO_2048_BIN,
    }  # fmt: skip
    return [(int(width), int(height)) for height, width in tables.get(side, {"1": (side, side)}).values()]
