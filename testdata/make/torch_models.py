"""Whole networks of PyTorch's collections: torchvision's alexnet and vgg16, the U-Net of milesial/Pytorch-UNet.

Writes testdata/torch_models/*.toml. Weights and inputs are made by formulas (`made.py`), so that a test needs no file of half a gigabyte.
The networks are written here by the structure and the names of their collections; the outputs are those of PyTorch in float32, with
`most` the largest difference to float64 on the first input.
"""

import pathlib
import sys

import torch
from torch import nn

import made

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "torch_models"


def fill(model):
    """Every tensor by its name."""
    for name, tensor in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(made.tensor(name, tensor.shape))
    return model.eval()


class Classifier(nn.Module):
    """Features and a classifier, as torchvision has them."""

    def __init__(self, features, classifier):
        super().__init__()
        self.features, self.classifier = nn.Sequential(*features), nn.Sequential(*classifier)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def alexnet():
    features = [
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    ]  # fmt: skip
    classifier = [
        nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
    ]  # fmt: skip
    return Classifier(features, classifier)


def vgg16():
    features, channels = [], 3
    for filters in [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]:
        if filters:
            features += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
            channels = filters
        else:
            features.append(nn.MaxPool2d(2))
    classifier = [
        nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000),
    ]  # fmt: skip
    return Classifier(features, classifier)


class DoubleConv(nn.Module):
    def __init__(self, channels, filters):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, channels, filters):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(channels, filters))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, channels, filters):
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(channels, channels // 2, 2, stride=2), DoubleConv(channels, filters)

    def forward(self, below, beside):
        return self.conv(torch.cat([beside, self.up(below)], 1))


class OutConv(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv = nn.Conv2d(channels, classes, 1)

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.inc = DoubleConv(channels, 64)
        self.down1, self.down2, self.down3, self.down4 = Down(64, 128), Down(128, 256), Down(256, 512), Down(512, 1024)
        self.up1, self.up2, self.up3, self.up4 = Up(1024, 512), Up(512, 256), Up(256, 128), Up(128, 64)
        self.outc = OutConv(64, classes)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up1(self.down4(x4), x4)
        return self.outc(self.up4(self.up3(self.up2(x, x3), x2), x1))


# Name, model, shape of an input, inputs, outputs of each input that are written down.
CASES = [
    ("alexnet", "alexnet?variant=torchvision", alexnet, (3, 224, 224), 200, 1000),
    ("vgg16", "vgg16", vgg16, (3, 224, 224), 200, 1000),
    ("unet", "unet?padding=same&batch_norm=true", lambda: UNet(1, 2), (1, 64, 64), 200, 2 * 64 * 64),
]
# Outputs of the first input that the file holds, spread evenly.
SHOWN = 500


def write(name, network, build, shape, inputs, outputs):
    torch.manual_seed(0)
    with torch.no_grad():
        model = fill(build())
        rows = [made.image(row, shape)[None] for row in range(inputs)]
        answers = torch.cat([model(row) for row in rows])
        exact = model.double()(rows[0].double())
    most = (answers[:1].double() - exact).abs().max().item()
    if answers.dim() == 2:
        classes = answers.argmax(1).tolist()
    else:
        # Pixels of the second class of each input.
        classes = answers.argmax(1).flatten(1).sum(1).tolist()
    step = max(outputs // SHOWN, 1)
    shown = exact.flatten()[::step].tolist()
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / f"{name}.toml", "w") as file:
        file.write("# Written by testdata/make/torch_models.py: the first comment there says what is in it.\n")
        file.write(f'network = "{network}"\n')
        file.write(f"input = {list(shape)}\ninputs = {inputs}\nstep = {step}\n")
        file.write(f"largest = {exact.abs().max().item()!r}\nmost = {most!r}\n")
        lines = lambda values: "".join("    " + ", ".join(values[at : at + 10]) + ",\n" for at in range(0, len(values), 10))
        file.write(f"classes = [\n{lines([str(value) for value in classes])}]\n")
        file.write(f"outputs = [\n{lines([f'{value:.9g}' for value in shown])}]\n")
    print(name, "classes", len(set(classes)), "largest", exact.abs().max().item(), "most", most)


if __name__ == "__main__":
    torch.set_num_threads(2)
    for case in CASES:
        if len(sys.argv) < 2 or case[0] in sys.argv[1:]:
            write(*case)
