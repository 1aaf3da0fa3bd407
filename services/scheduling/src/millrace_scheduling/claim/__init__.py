"""Claims: what occupies a provider's time, holds and appointments alike."""
