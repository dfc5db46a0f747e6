"""What a training step is measured on."""

# normkit's names, and the size of the pictures: height, width, channels; "unet-3d" is unet of volumes of so
# many pictures. Norms are normkit's defaults: batch, of unets instance.
NETWORKS = {"resnet-tiny": (32, 32, 3), "small-cnn": (28, 28, 1), "unet": (64, 64, 1), "unet-3d": (16, 16, 1)}
DEPTH = 16
CLASSES = 10
# Of PyTorch.
SETTINGS = ("channels first", "channels last", "compiled", "compiled, channels last")
