"""What the phases of new micrographs are and do: segmented, and measured class by class."""

import dataclasses
import pathlib

from idml_jax.errors import InputError
from idml_jax.workflows import characterize, segment_predict


@dataclasses.dataclass(frozen=True)
class Config:
    """Tell the class of each pixel of micrographs, and measure every class as a phase.

    Written are the label images, as by `idml segment predict`; for each class a folder, as by
    `idml characterize`; and measures.csv, a row for each class of each image.
    """

    run: pathlib.Path
    """Folder of the training."""
    images: pathlib.Path
    """A micrograph, or a folder of them."""
    out: pathlib.Path
    """Folder for everything that is written."""
    properties: bool = False
    """Also what each class does along each axis: its tortuosity, diffusivity and permeability, and
    the properties that the options below are given for."""
    conductivity: tuple[float, float] | None = None
    """Conductivities outside the class and in it, in W/(m K), for the effective one."""
    young: tuple[float, float] | None = None
    """Young's moduli outside the class and in it, in GPa, for the effective ones; 0 is a pore."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""
    uncertainty: segment_predict.Uncertainty = "none"
    """As for `idml segment predict`: measures.csv then has the interval of each class's share in
    each image, segmented_fraction_low and _high."""
    draws: int = 16
    """Members of --uncertainty dropout."""
    others: tuple[pathlib.Path, ...] = ()
    """Folders of the other runs of --uncertainty ensemble."""
    level: float = 0.9
    """Share of images whose true share of a class the intervals are to hold."""
    annotated: tuple[pathlib.Path, pathlib.Path] | None = None
    """Folders of the micrographs and masks that intervals are fitted to, as for `predict`."""
    tile: int = 512
    """Side of what is computed at a time: smaller ones take less memory."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        self.prediction().check()
        if not self.properties and (self.conductivity or self.young):
            raise InputError("--conductivity and --young are for properties: add --properties.")

    def prediction(self) -> segment_predict.Config:
        """What says the classes."""
        same = (
            "run images pixel_size crop_bottom uncertainty draws others level annotated tile"
        ).split()
        options = {name: getattr(self, name) for name in same}
        return segment_predict.Config(out=self.out / "labels", **options)

    def measurement(self, label: int, folder: pathlib.Path) -> characterize.Config:
        """What measures a class."""
        same = ("properties", "conductivity", "young", "pixel_size")
        options = {name: getattr(self, name) for name in same}
        files = (self.out / "labels",)
        return characterize.Config(files=files, out=folder, label=label, **options)


def run(config: Config) -> None:
    """Tell the classes, and print how much of each there is."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.segment_uses import measure

    print(measure(config))
    print(f"\nmeasures: {config.out / 'measures.csv'}")
