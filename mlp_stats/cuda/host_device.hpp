#pragma once

// Marks functions that run on the card and on the host. What a kernel computes is written in such functions alone, so that
// tests check it on any machine; what needs a card is launches, memory and matrix products (cuda_space.cuh).
#if defined(__CUDACC__)
#define ICLK_HOST_DEVICE __host__ __device__
#else
#define ICLK_HOST_DEVICE
#endif
