"""Reference values for the minimal model, Eqs. 2 and 3, computed by PyTorch in float64.

Debian 12: apt install python3-torch; /usr/bin/python3 make_minimal_reference.py writes minimal_reference.json. Numbers
are printed with repr(), so they read back exactly. PyTorch 1.13.0a0 (Debian 12) made the values that are kept here.

Every gradient, those of beta and w too, comes from automatic differentiation of the loss as it stands.
"""

import json

import torch

torch.set_default_dtype(torch.float64)

DIM, N_CONTEXT, HIDDEN, N_ITEMS, BATCH, N_STEPS = 5, 6, 7, 12, 4, 3
LR, MLP_DECAY = 0.3, 0.02


class Minimal(torch.nn.Module):
    """z = phi(x_t) + w sum_j a_j y_j; with attend_self the target is in the softmax too, with label 0."""

    def __init__(self, attend_self, beta, w):
        super().__init__()
        self.mlp = torch.nn.Sequential(torch.nn.Linear(DIM, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, HIDDEN),
                                       torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1))
        self.beta = torch.nn.Parameter(torch.tensor(beta))
        self.w = torch.nn.Parameter(torch.tensor(w))
        self.attend_self = attend_self

    def forward(self, items, labels):
        """items: [batch x N + 1 x DIM], the target last; labels: [batch x N] of the exemplars."""
        attended = items if self.attend_self else items[:, :-1]
        values = torch.nn.functional.pad(labels, (0, 1)) if self.attend_self else labels
        weights = torch.softmax(self.beta * torch.einsum("bjd,bd->bj", attended, items[:, -1]), dim=1)
        return self.mlp(items[:, -1])[:, 0] + self.w * (weights * values).sum(dim=1)


NAMES = {"mlp.0.weight": "w1", "mlp.0.bias": "b1", "mlp.2.weight": "w2", "mlp.2.bias": "b2", "mlp.4.weight": "w3",
         "mlp.4.bias": "b3", "beta": "beta", "w": "w"}


def pick(candidates):
    return candidates[torch.randint(0, len(candidates), (1,)).item()]


def sequence(label_of, balanced, copies):
    """Numbers of the exemplars and, last, the target; `copies` exemplars at least are the target, 0: none."""
    everything = list(range(N_ITEMS))
    labels = [1, -1] * (N_CONTEXT // 2) if balanced else [0] * N_CONTEXT
    if copies == 0:
        target = pick(everything)
        others = [i for i in everything if i != target]
        items = [pick([i for i in others if y == 0 or label_of[i] == y]) for y in labels]
    else:
        items = [pick([i for i in everything if y == 0 or label_of[i] == y]) for y in labels]
        target = pick(items)
        places = [j for j in range(N_CONTEXT) if not balanced or label_of[items[j]] == label_of[target]]
        while items.count(target) < copies:
            items[pick(places)] = target
    order = torch.randperm(N_CONTEXT).tolist()
    return [items[j] for j in order] + [target]


def run(seed, attend_self=False, balanced=False, copies=1, beta=0.7, w=-0.4, lambda_w=0.0, lambda_beta=0.0):
    torch.manual_seed(seed)
    model = Minimal(attend_self, beta, w)
    with torch.no_grad():
        for parameter in model.mlp.parameters():
            parameter.copy_(parameter.float().double())
    items = torch.randn(N_ITEMS, DIM).float().double()
    label_of = [1 if i % 2 == 0 else -1 for i in range(N_ITEMS)]

    def values():
        return {NAMES[key]: value.detach().flatten().tolist() for key, value in model.named_parameters()}

    optimizer = torch.optim.SGD([{"params": list(model.mlp.parameters()), "weight_decay": MLP_DECAY},
                                 {"params": [model.w], "weight_decay": lambda_w},
                                 {"params": [model.beta], "weight_decay": lambda_beta}], lr=LR)
    result = {"attend_self": attend_self, "balanced": balanced, "copies": copies, "lambda_w": lambda_w,
              "lambda_beta": lambda_beta, "items": items.flatten().tolist(), "initial": values(), "steps": []}
    for step in range(N_STEPS):
        sequences = torch.tensor([sequence(label_of, balanced, copies) for _ in range(BATCH)])
        labels = torch.tensor(label_of)[sequences]
        model.zero_grad()
        logits = model(items[sequences], labels[:, :-1].double())
        loss = -torch.nn.functional.logsigmoid(labels[:, -1] * logits).mean()
        loss.backward()
        kept = {"items": sequences.flatten().tolist(), "labels": labels.flatten().tolist(), "logits": logits.tolist(),
                "loss": loss.item()}
        if step == 0:
            kept["gradient"] = {NAMES[key]: value.grad.flatten().tolist() for key, value in model.named_parameters()}
        optimizer.step()
        if step == N_STEPS - 1:
            kept["parameters"] = values()
        result["steps"].append(kept)
    return result


cases = [
    run(20241101),
    run(20241102, attend_self=True),
    run(20241103, balanced=True, lambda_w=0.06),
    run(20241104, copies=3, beta=-1.3, w=0.9),
    run(20241105, copies=0, attend_self=True, beta=2.1, w=1.7, lambda_w=0.03, lambda_beta=0.04),
    run(20241106, attend_self=True, balanced=True, copies=2, beta=4.0, w=-2.5),
]
with open("minimal_reference.json", "w") as file:
    json.dump({"torch": torch.__version__, "dim": DIM, "n_context": N_CONTEXT, "hidden": HIDDEN, "lr": LR,
               "mlp_decay": MLP_DECAY, "cases": cases}, file, separators=(",", ":"))
    file.write("\n")
