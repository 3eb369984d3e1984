"""What colours an image has where: the mean red, green and blue of a grid of cells, from 0 to 1, row by row. Needs Pillow."""

from PIL import Image

from trommel_extractor import fail, progress, serve


def colours(path, cells):
    with Image.open(path) as image:
        small = image.convert("RGB").resize((cells, cells), Image.Resampling.BOX)
    return [value / 255 for value in small.tobytes()]


def run(batch, cells):
    vectors = []
    for row, path in enumerate(batch["image"].to_pylist()):
        vector = None
        if path is not None:
            try:
                vector = colours(path, cells)
            except OSError as error:
                fail(row, f"{path}: {error}")
        vectors.append(vector)
        if row % 256 == 255:
            progress(row + 1, batch.num_rows)
    return {"colours": vectors}


if __name__ == "__main__":
    serve(run, {"colours": "vector"}, load=lambda config, device: config.get("cells", 4))
