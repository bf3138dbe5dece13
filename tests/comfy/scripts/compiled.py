"""Our nodes on a network that runs through torch.compile."""
import torch
from comfy.patcher_extension import WrappersMP
from techniques import assert_same, everything, plain, run


def compiled(setup):
    """The whole network through torch.compile, as the host's node does it; without a code generator, which changes no number."""
    patched = setup[0].clone()
    network = torch.compile(patched.model.diffusion_model, backend="eager")

    def compile_it(executor, *args, **kwargs):
        own = executor.class_obj.diffusion_model
        try:
            executor.class_obj.diffusion_model = network
            return executor(*args, **kwargs)
        finally:
            executor.class_obj.diffusion_model = own

    patched.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "torch.compile", compile_it)
    return patched, *setup[1:]


def check_compiled():
    """Once: compiling takes long."""
    assert_same(run(compiled(everything(plain()))), run(everything(plain())), 1e-4)
    torch._dynamo.reset()
