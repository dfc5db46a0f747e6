"""What a training step is measured on."""

# normkit's names, and the size of the pictures: height, width, channels.
NETWORKS = {"resnet-tiny": (32, 32, 3), "small-cnn": (28, 28, 1)}
CLASSES = 10
# Of PyTorch.
SETTINGS = ("channels first", "channels last", "compiled", "compiled, channels last")
