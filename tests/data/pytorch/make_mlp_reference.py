"""Reference values for the gradients and SGD steps of the MLP, computed by PyTorch in float64.

Debian 12: apt install python3-torch; python3 make_mlp_reference.py > mlp_reference.json
Numbers are printed with repr(), so they read back exactly. PyTorch 1.13.0a0 (Debian 12) made the values that are kept here.
"""

import json

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240613)

N_FEATURES, HIDDEN, N_ITEMS, BATCH, N_STEPS = 5, 7, 12, 8, 3
LR, WEIGHT_DECAY = 0.3, 0.02

network = torch.nn.Sequential(
    torch.nn.Linear(N_FEATURES, HIDDEN), torch.nn.ReLU(),
    torch.nn.Linear(HIDDEN, HIDDEN), torch.nn.ReLU(),
    torch.nn.Linear(HIDDEN, 1))
# Everything is rounded to float32, the precision in which our data sets and initial weights are stored.
with torch.no_grad():
    for parameter in network.parameters():
        parameter.copy_(parameter.float().double())
items = torch.randn(N_ITEMS, N_FEATURES).float().double()
labels = torch.where(torch.rand(N_ITEMS) < 0.5, -1.0, 1.0)
batches = torch.randint(0, N_ITEMS, (N_STEPS, BATCH))


def parameters():
    keys = ("w1", "b1", "w2", "b2", "w3", "b3")
    return {key: value.detach().flatten().tolist() for key, value in zip(keys, network.parameters())}


def loss_of(batch):
    logits = network(items[batch]).squeeze(1)
    return -torch.nn.functional.logsigmoid(labels[batch] * logits).mean()


result = {
    "torch": torch.__version__, "n_features": N_FEATURES, "hidden": HIDDEN, "lr": LR, "weight_decay": WEIGHT_DECAY,
    "items": items.flatten().tolist(), "labels": labels.tolist(), "batches": batches.tolist(),
    "initial": parameters(),
}
optimizer = torch.optim.SGD(network.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
result["steps"] = []
for batch in batches:
    optimizer.zero_grad()
    loss = loss_of(batch)
    loss.backward()
    keys = ("w1", "b1", "w2", "b2", "w3", "b3")
    gradient = {key: value.grad.flatten().tolist() for key, value in zip(keys, network.parameters())}
    optimizer.step()
    result["steps"].append({"loss": loss.item(), "gradient": gradient, "parameters": parameters()})
with torch.no_grad():
    result["final_logits"] = network(items).squeeze(1).tolist()

# The token that the transformer's MLP sees: an item with two empty label entries, LayerNorm-ed (gain 1, bias 0).
raw = torch.cat([items, torch.zeros(N_ITEMS, 2)], dim=1)
result["tokens"] = torch.nn.functional.layer_norm(raw, (N_FEATURES + 2,)).flatten().tolist()

print(json.dumps(result, indent=1))
