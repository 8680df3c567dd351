#!/usr/bin/env python3
"""The training step of iclk_bench_device_batch in JAX: vmap over many MLPs 63-512-512-1, scan over the steps, items drawn on
the card. Prints run-steps per second by the number of networks.

    python3 tests/bench/mlp_batch_jax.py [--seconds 1] [--networks 8 16 32 64 128 256] [--tf32]
"""

import argparse
import functools
import time

import jax
import jax.numpy as jnp

FEATURES, HIDDEN, BATCH, ITEMS = 63, 512, 128, 2000
LR, DECAY = 0.01, 1e-10
STEPS = 256  # of one scan


def start(key):
    keys = jax.random.split(key, 8)

    def uniform(key, shape, fan_in):
        return jax.random.uniform(key, shape, minval=-(fan_in**-0.5), maxval=fan_in**-0.5)

    parameters = {
        "w1": uniform(keys[0], (FEATURES, HIDDEN), FEATURES),
        "b1": uniform(keys[1], (HIDDEN,), FEATURES),
        "w2": uniform(keys[2], (HIDDEN, HIDDEN), HIDDEN),
        "b2": uniform(keys[3], (HIDDEN,), HIDDEN),
        "w3": uniform(keys[4], (HIDDEN,), HIDDEN),
        "b3": uniform(keys[5], (), HIDDEN),
    }
    x = jax.random.normal(keys[6], (ITEMS, FEATURES)) / FEATURES**0.5
    y = jnp.sign(jax.random.uniform(keys[7], (ITEMS,)) - 0.5)
    return parameters, x, y


def loss(p, x, y):
    h = jax.nn.relu(x @ p["w1"] + p["b1"])
    h = jax.nn.relu(h @ p["w2"] + p["b2"])
    return jnp.mean(jax.nn.softplus(-y * (h @ p["w3"] + p["b3"])))


def train(p, x, y, key):
    def step(p, key):
        items = jax.random.randint(key, (BATCH,), 0, ITEMS)
        gradient = jax.grad(loss)(p, x[items], y[items])
        return jax.tree.map(lambda a, g: a - LR * (g + DECAY * a), p, gradient), None

    return jax.lax.scan(step, p, jax.random.split(key, STEPS))[0]


def rate(n, seconds):
    p, x, y = jax.vmap(start)(jax.random.split(jax.random.key(0), n))

    @functools.partial(jax.jit, donate_argnums=0)
    def stretch(p, key):
        return jax.vmap(train)(p, x, y, jax.random.split(key, n))

    p = jax.block_until_ready(stretch(p, jax.random.key(1)))
    steps, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        p = jax.block_until_ready(stretch(p, jax.random.key(2 + steps)))
        steps += STEPS
    return steps * n / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--networks", type=int, nargs="+", default=[8, 16, 32, 64, 128, 256])
    parser.add_argument("--tf32", action="store_true")
    options = parser.parse_args()
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if options.tf32 else "float32")
    print(f"JAX {jax.__version__}, {jax.devices()[0].device_kind}, {'tf32' if options.tf32 else 'float32'}")
    for n in options.networks:
        print(f"{n:10d} networks {rate(n, options.seconds):14.0f} run-steps/s", flush=True)


if __name__ == "__main__":
    main()
