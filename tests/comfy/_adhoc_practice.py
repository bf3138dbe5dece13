import torch
from concord.hosts.diffusers.practice import load_model
from concord.hosts.diffusers.sample import sample
def test_practice(in_host):
    model, clip, vae = load_model()
    enc=lambda t: [[clip.encode(clip.tokenize(t))[0], {}]]
    pos, neg = enc("a red circle on a blue background"), enc("")
    cases={}
    for s in ("euler","euler_ancestral","dpmpp_2m","dpmpp_2m_sde","ddim","heun"):
        for k in ("normal","karras"):
            cases[f"{s} {k}"]=dict(positive=pos,negative=neg,latent={"samples":torch.zeros(2,4,16,16)},controls=[],settings=dict(seed=3,steps=20,cfg=6.0,sampler=s,scheduler=k))
    theirs=in_host("sampling.py",weights=model.network.state_dict(),config=dict(model_channels=64,channel_mult=[1]*4),sdxl=False,control_weights=None,cases=cases)
    for n,c in cases.items():
        s=c["settings"]
        ours=sample(model,3,20,6.0,s["sampler"],s["scheduler"],pos,neg,c["latent"])["samples"]
        t=theirs[n]*0.18215
        a,b=vae.decode(ours),vae.decode(t)
        print(n, "latent max diff %.1e std %.2f"%(float((ours-t).abs().max()),float(t.std())), "image mean diff*255 %.4f max %.3f"%(float((a-b).abs().mean())*255,float((a-b).abs().max())*255))
