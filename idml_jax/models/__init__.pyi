from .layers import EqualizedConv as EqualizedConv
from .layers import EqualizedLinear as EqualizedLinear
from .layers import append_minibatch_deviation as append_minibatch_deviation
from .layers import downsample as downsample
from .layers import pixel_norm as pixel_norm
from .layers import upsample as upsample
from .progressive_gan import Discriminator as Discriminator
from .progressive_gan import Generator as Generator
