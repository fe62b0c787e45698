"""From a target to its kernels: resolve, build on the meta device, run on fake tensors, record."""
