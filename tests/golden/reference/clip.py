"""CLIP: pixels, text ids, normalised features, score, and the patch features of the VLM."""

import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast


class Clip:
    def __init__(self, folder):
        self.model = CLIPModel.from_pretrained(folder).float().eval()
        self.processor = CLIPImageProcessor.from_pretrained(folder)
        self.tokenizer = CLIPTokenizerFast.from_pretrained(folder)

    def text_ids(self, text):
        return self.tokenizer(text, truncation=True, max_length=77).input_ids

    def pixels(self, path):
        """[3, H, W] float32, after the processor of the checkpoint."""
        return self.processor(decode(path), return_tensors="pt").pixel_values[0]

    def padded_pixels(self, path):
        """As pixels, of the image centred on a square of the mean colour (image_aspect: pad)."""
        image = decode(path)
        side = max(image.size)
        mean = tuple(int(255 * m) for m in self.processor.image_mean)
        square = Image.new("RGB", (side, side), mean)
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return self.processor(square, return_tensors="pt").pixel_values[0]

    @torch.no_grad()
    def text_feature(self, ids):
        return self.model.get_text_features(input_ids=torch.tensor([ids]))

    @torch.no_grad()
    def image_feature(self, pixels):
        return self.model.get_image_features(pixel_values=pixels[None])

    def features(self, pixels, ids):
        """([image | text], each of length 1; their cosine)"""
        image, text = unit(self.image_feature(pixels))[0], unit(self.text_feature(ids))[0]
        return torch.cat([image, text]), float(image @ text)

    @torch.no_grad()
    def patches(self, pixels):
        """[patches, hidden]: the second-last hidden state without the class token."""
        out = self.model.vision_model(pixel_values=pixels[None], output_hidden_states=True)
        return out.hidden_states[-2][0, 1:]


def decode(path):
    with Image.open(path) as image:
        return image.convert("RGB")


def unit(rows):
    return rows / rows.norm(dim=-1, keepdim=True)
