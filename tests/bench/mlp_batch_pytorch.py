#!/usr/bin/env python3
"""The training step of iclk_bench_device_batch in PyTorch: many MLPs 63-512-512-1 together, as batched products, one CUDA
graph per step, items drawn on the card. Prints run-steps per second by the number of networks.

    python3 tests/bench/mlp_batch_pytorch.py [--seconds 1] [--networks 8 16 32 64 128 256] [--tf32]
"""

import argparse
import time

import torch

FEATURES, HIDDEN, BATCH, ITEMS = 63, 512, 128, 2000
LR, DECAY = 0.01, 1e-10


def uniform(shape, fan_in, device):
    bound = fan_in**-0.5
    return (torch.rand(shape, device=device) * 2 - 1) * bound


class Networks:
    """R networks with their data sets. The gradients are written out, which is faster than autograd under a graph."""

    def __init__(self, n, device):
        self.x = torch.randn(n, ITEMS, FEATURES, device=device) / FEATURES**0.5
        self.y = torch.randint(0, 2, (n, ITEMS), device=device).float() * 2 - 1
        self.w1 = uniform((n, FEATURES, HIDDEN), FEATURES, device)
        self.b1 = uniform((n, 1, HIDDEN), FEATURES, device)
        self.w2 = uniform((n, HIDDEN, HIDDEN), HIDDEN, device)
        self.b2 = uniform((n, 1, HIDDEN), HIDDEN, device)
        self.w3 = uniform((n, HIDDEN, 1), HIDDEN, device)
        self.b3 = uniform((n, 1, 1), HIDDEN, device)
        self.runs = torch.arange(n, device=device)[:, None]

    def step(self):
        items = torch.randint(0, ITEMS, (self.x.shape[0], BATCH), device=self.x.device)
        x, y = self.x[self.runs, items], self.y[self.runs, items][..., None]
        h1 = torch.baddbmm(self.b1, x, self.w1).relu_()
        h2 = torch.baddbmm(self.b2, h1, self.w2).relu_()
        z = torch.baddbmm(self.b3, h2, self.w3)
        dz = -y * torch.sigmoid(-y * z) / BATCH
        d2 = dz * self.w3.transpose(1, 2) * (h2 > 0)
        d1 = torch.bmm(d2, self.w2.transpose(1, 2)) * (h1 > 0)
        keep = 1 - LR * DECAY
        self.w3.baddbmm_(h2.transpose(1, 2), dz, beta=keep, alpha=-LR)
        self.w2.baddbmm_(h1.transpose(1, 2), d2, beta=keep, alpha=-LR)
        self.w1.baddbmm_(x.transpose(1, 2), d1, beta=keep, alpha=-LR)
        for bias, gradient in ((self.b3, dz), (self.b2, d2), (self.b1, d1)):
            bias.mul_(keep).sub_(gradient.sum(1, keepdim=True), alpha=LR)


def rate(n, seconds):
    networks = Networks(n, "cuda")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            networks.step()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        networks.step()
    torch.cuda.synchronize()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(256):
            graph.replay()
        torch.cuda.synchronize()
        steps += 256
    return steps * n / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--networks", type=int, nargs="+", default=[8, 16, 32, 64, 128, 256])
    parser.add_argument("--tf32", action="store_true")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = options.tf32
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, {'tf32' if options.tf32 else 'float32'}")
    for n in options.networks:
        print(f"{n:10d} networks {rate(n, options.seconds):14.0f} run-steps/s", flush=True)


if __name__ == "__main__":
    with torch.no_grad():
        main()
