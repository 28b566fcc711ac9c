"""Native dialogue: text to phonemes to speech and lips, by the model itself."""
