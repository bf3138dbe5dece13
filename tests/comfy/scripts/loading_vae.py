"""A VAE file through the real host: encode an image, decode a latent."""
import comfy.sd
import comfy.utils
import torch


def run(path: str, image, latent) -> dict:
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(path))
    return {"latent": vae.encode(image), "image": vae.decode(latent)}


def names(kind: str) -> dict:
    """-> the shape of every tensor of the host's autoencoder, as lists."""
    if kind == "taesd":
        import comfy.taesd.taesd
        network = comfy.taesd.taesd.TAESD(latent_channels=4)
    else:
        from comfy.ldm.models.autoencoder import AutoencoderKL
        config = {"double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128, "ch_mult": [1, 2, 4, 4],
                  "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0}
        with torch.device("meta"):
            network = AutoencoderKL(ddconfig=config, embed_dim=4)
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
