"""ApplyControlNet in all its settings, on networks with the block numbering of SD 1.x and SDXL; the same code makes the runs in every host."""
from __future__ import annotations

import torch
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.features.controlnet import MODES, POSITIVE, ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.rows import GIVERS
from concord.processors.schedule import Curve

OFF = tuple((lane, 0.0) for lane in GIVERS)


def picture(n: int, y: int, x: int, seed: int) -> torch.Tensor:
    return torch.rand(n, y, x, 3, generator=torch.Generator().manual_seed(seed))


def setups(host, model, nets: dict, core, positive, negative) -> dict:
    """name -> (model, positive, negative, shape of the latent, cfg). core(positive, negative, net, hint, strength): the host's own node."""
    aligned = host.attach(model, *style_aligned(), lanes=reference_lane())
    windows = lambda m: host.attach(m, *multidiffusion((8, 8), (4, 4)))
    hint, mask = picture(1, 64, 96, 5), picture(1, 64, 96, 6)[..., 0].round()
    blocks = tuple(0.1 * i for i in range(13))

    def case(net="control", shape=(2, 8, 12), cfg=4.0, m=model, p=positive, n=negative, image=hint, union_type="auto", **settings):
        edit = ControlResiduals(**{"strength": 0.8, **settings})
        return m, *host.apply_control(p, n, nets[net], image, edit, None, union_type), shape, cfg

    everything = dict(mask=mask, curve=Curve.parse("0:1, 0.5:0.3, 1:0.8"), soft=True, branches=POSITIVE)
    if "adapter, SDXL" in nets:
        two = case("adapter, SDXL", blocks=blocks[:10])
        return {
            "control": case(), "blocks": case(blocks=blocks[:10]), "2 hints": case(shape=(3, 8, 12), image=picture(2, 64, 96, 5)),
            "4 hints": case(image=picture(4, 64, 96, 5)), "everything, odd": case(shape=(2, 9, 13), **everything),
            "everything, windows": case(m=windows(aligned), **everything), "control after adapter": case(p=two[1], n=two[2], soft=True, mask=mask),
            "plain": (model, positive, negative, (2, 8, 12), 4.0),
            "adapter": case("adapter, SDXL"), "adapter, odd": case("adapter, SDXL", (2, 9, 13)), "adapter, soft": case("adapter, SDXL", soft=True),
            "adapter, windows": case("adapter, SDXL", (1, 8, 20), m=windows(model), image=picture(1, 64, 160, 5)),
            "union": case("union", union_type="canny/lineart/anime_lineart/mlsd"), "union, auto": case("union"),
            "union, windows": case("union", (2, 8, 12), m=windows(aligned), union_type="depth", mask=mask),
        }
    area = [*positive, [positive[0][0].flip(1), {**positive[0][1], "area": (8, 8, 0, 4)}]]
    two = case("adapter", blocks=blocks)
    return {
        "plain": (model, positive, negative, (2, 8, 12), 4.0),
        "curve": case(curve=Curve.parse("0:1, 0.5:0.2, 1:0")), "blocks": case(blocks=blocks), "mask": case(mask=mask), "pooled": case(pooled=True),
        "prompt": case(**MODES["prompt is more important"]), "control": case(**MODES["control is more important"]),
        "positive only": case(branches=POSITIVE), "everything": case(**everything), "everything, cfg 1": case(cfg=1.0, **everything),
        "everything, odd": case(shape=(2, 9, 13), **everything), "everything, windows": case(m=windows(aligned), **everything),
        "everything, area": case(p=area, **everything), "everything, windows and area": case(p=area, m=windows(model), **everything),
        "everything, 4 hints": case(shape=(4, 8, 12), image=picture(4, 64, 96, 5), **{**everything, "mask": picture(4, 32, 48, 6)[..., 0]}),
        "reference follows": case(m=aligned), "reference is free": case(m=aligned, lanes=OFF),
        "adapter": case("adapter"), "adapter, odd": case("adapter", (2, 9, 13)), "adapter, blocks and mask": case("adapter", blocks=blocks, mask=mask),
        "adapter, soft": case("adapter", soft=True), "adapter, windows": case("adapter", m=windows(model), mask=mask),
        "adapter, area": case("adapter", p=area), "light adapter": case("light adapter"), "grey adapter": case("grey adapter"),
        "control after adapter": case(p=two[1], n=two[2], soft=True), "adapter after control": case("adapter", p=case()[1], n=case()[2], mask=mask),
        "core before": case(**dict(zip("pn", core(positive, negative, nets["control"], hint.flip(1), 0.5), strict=True)), soft=True),
        "core after": (model, *core(*case(soft=True)[1:3], nets["control"], hint.flip(1), 0.5), (2, 8, 12), 4.0),
        "core adapter": (model, *core(positive, negative, nets["adapter"], hint, 0.5), (2, 8, 12), 4.0),
    }


def run(weights: dict, sdxl: bool, config: dict, networks: dict, positive, negative) -> dict:
    """networks: name -> tensors, as files hold them. Small ones have no family that the host's loader knows: its own classes are built directly."""
    import hostkit as kit
    from concord.hosts.comfy import host

    import nodes

    model = kit.unet(sdxl=sdxl, weights=weights, **config)
    kinds = {"union": lambda tensors: union(tensors, config),
             "control": lambda tensors: kit.control_net(weights=tensors, **(kit.SDXL if sdxl else {}) | config)}
    nets = {name: kinds[name](tensors) if name in kinds else adapter(name, tensors) for name, tensors in networks.items()}
    core = lambda p, n, net, hint, strength: nodes.ControlNetApplyAdvanced().apply_controlnet(p, n, net, hint, strength, 0.0, 1.0)
    made = setups(host, model, nets, core, positive, negative)
    return {name: kit.sample(*setup, torch.zeros(shape[0], 4, *shape[1:]), cfg=cfg, steps=2) for name, (*setup, shape, cfg) in made.items()}


def adapter(name: str, tensors: dict):
    from comfy.controlnet import T2IAdapter
    from comfy.t2i_adapter.adapter import Adapter, Adapter_light

    light, xl = "light" in name, "SDXL" in name
    channels = [tensors[f"body.{i}.out_conv.weight" if light else f"body.{2 * i}.block1.weight"].shape[0] for i in range(4)]
    if light:
        network = Adapter_light(channels=channels, nums_rb=4, cin=192)
    else:
        network = Adapter(channels=channels, nums_rb=2, cin=tensors["conv_in.weight"].shape[1], ksize=1, sk=True, use_conv=False, xl=xl)
    network.load_state_dict(tensors)
    return T2IAdapter(network.eval(), network.input_channels, 8, "nearest-exact", torch.device("cpu"))


def union(tensors: dict, config: dict):
    """tensors: in diffusers' layout, whose names the host changes in the same way."""
    import comfy.cldm.cldm
    import comfy.controlnet
    import comfy.ops
    import comfy.utils
    import hostkit as kit

    config = kit.COMMON | kit.SDXL | dict(hint_channels=3, dtype=torch.float32, operations=comfy.ops.disable_weight_init) | config
    config.pop("out_channels")
    network = comfy.cldm.cldm.ControlNet(**config)
    extra, half = {}, {}
    for key, value in tensors.items():
        (extra if key.startswith(("task_", "transformer_layes", "spatial_", "control_add")) else half)[key] = value
    names = kit.control_names(half, comfy.utils.unet_to_diffusers(config))
    types, width = extra["task_embedding"].shape
    extend(network, types, width)
    weights = dict(zip(names, half.values(), strict=True)) | {key.replace(".attn.in_proj_", ".attn.in_proj."): value for key, value in extra.items()}
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert not missing and not unexpected, (missing[:3], unexpected[:3])
    return comfy.controlnet.ControlNet(network.eval(), load_device=torch.device("cpu"))


def extend(network, types: int, width: int) -> None:
    """The union's own layers, whose published width (320) the host's constructor fixes, at this width."""
    import comfy.cldm.cldm as cldm
    import comfy.ops

    ops = comfy.ops.disable_weight_init
    whole = cldm.ControlNet(image_size=8, in_channels=4, model_channels=320, hint_channels=3, num_res_blocks=[1], channel_mult=[1], transformer_depth=[0],
                            use_spatial_transformer=True, context_dim=64, num_heads=4, legacy=False, transformer_depth_middle=-1, operations=ops,
                            union_controlnet_num_control_type=types)
    network.num_control_type = types
    network.task_embedding = torch.nn.Parameter(torch.empty(types, width))
    network.transformer_layes = torch.nn.Sequential(type(whole.transformer_layes[0])(width, 8, dtype=torch.float32, operations=ops))
    network.spatial_ch_projs = ops.Linear(width, width)
    network.control_add_embedding = type(whole.control_add_embedding)(256, 4 * network.model_channels, types, dtype=torch.float32, operations=ops)
