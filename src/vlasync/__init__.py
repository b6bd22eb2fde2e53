"""Turn any Hugging Face vision-language model into a robot policy, with image, text and action in step."""
