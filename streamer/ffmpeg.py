"""Which FFmpeg is used."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg

from streamer.errors import ConfigError


def find(configured: Path | None) -> Path:
    """Return the configured FFmpeg, else the one that imageio-ffmpeg brings. Raise ConfigError."""
    if configured is None:
        return Path(imageio_ffmpeg.get_ffmpeg_exe()).resolve()
    if not configured.is_file():
        raise ConfigError(f"there is no FFmpeg at {configured}; set STREAMER_FFMPEG to one or leave it out")
    return configured.resolve()
