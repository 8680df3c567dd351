"""Reference values for the one-layer and the two-layer transformer, computed by PyTorch in float64.

Debian 12: apt install python3-torch; /usr/bin/python3 make_transformer_reference.py writes one_layer_reference.json and
two_layer_reference.json. Numbers are printed with repr(), so they read back exactly. PyTorch 1.13.0a0 (Debian 12) made
the values that are kept here.

Nothing is left out here: queries, keys and values of every token, the whole table of attention weights with its causal
mask, and automatic differentiation.
"""

import json

import torch

torch.set_default_dtype(torch.float64)

DIM, N_CONTEXT, HIDDEN, N_ITEMS, BATCH, N_STEPS = 5, 4, 6, 9, 3, 3
WIDTH = DIM + 2
LR, MLP_DECAY, ATTENTION_DECAY = 0.3, 0.02, 0.05


class Mlp(torch.nn.Sequential):
    def __init__(self, n_outputs):
        super().__init__(torch.nn.Linear(WIDTH, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, HIDDEN),
                         torch.nn.ReLU(), torch.nn.Linear(HIDDEN, n_outputs))


class Attention(torch.nn.Module):
    """One head, scale 1, causal; `attend_self` says whether the last token, the target, attends to itself."""

    def __init__(self, attend_self):
        super().__init__()
        self.query = torch.nn.Linear(WIDTH, WIDTH, bias=False)
        self.key = torch.nn.Linear(WIDTH, WIDTH, bias=False)
        self.value = torch.nn.Linear(WIDTH, WIDTH, bias=False)
        self.attend_self = attend_self

    def forward(self, tokens):
        scores = self.query(tokens) @ self.key(tokens).transpose(1, 2)
        n = tokens.shape[1]
        hidden = torch.triu(torch.ones(n, n), diagonal=1).bool()
        if not self.attend_self:
            hidden[n - 1, n - 1] = True
        weights = torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=2)
        return weights @ self.value(tokens)


class OneLayer(torch.nn.Module):
    def __init__(self, attend_self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(WIDTH)
        self.attention = Attention(attend_self)
        self.mlp = Mlp(1)

    def forward(self, tokens):
        tokens = self.norm(tokens)
        return self.mlp((tokens + self.attention(tokens))[:, -1])[:, 0]


class TwoLayer(torch.nn.Module):
    def __init__(self, attend_self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(WIDTH)
        self.attention1 = Attention(attend_self)
        self.token_mlp = Mlp(WIDTH)
        self.attention2 = Attention(attend_self)
        self.readout = Mlp(1)

    def forward(self, tokens):
        x = self.norm(tokens)
        x = self.token_mlp(x + self.attention1(x))
        x = x + self.attention2(x)
        return self.readout(x[:, -1])[:, 0]


def names(model):
    """Our names of the arrays, in PyTorch's order of the parameters."""
    layers = {"0.weight": "w1", "0.bias": "b1", "2.weight": "w2", "2.bias": "b2", "4.weight": "w3", "4.bias": "b3"}
    result = {}
    for key, _ in model.named_parameters():
        if key.startswith("norm."):
            result[key] = "norm_gain" if key.endswith("weight") else "norm_bias"
        elif key.startswith("attention"):
            layer, matrix, _ = key.split(".")
            result[key] = matrix + layer[len("attention"):]
        else:
            network, layer = key.split(".", 1)
            result[key] = ("" if network == "mlp" else network + ".") + layers[layer]
    return result


def run(make_model, attend_self, freeze_readout, decay_layernorm, seed):
    torch.manual_seed(seed)
    model = make_model(attend_self)
    with torch.no_grad():
        # LayerNorm starts at gain 1 and bias 0, which would hide mistakes in either.
        model.norm.weight.add_(0.3 * torch.randn(WIDTH))
        model.norm.bias.add_(0.3 * torch.randn(WIDTH))
        for parameter in model.parameters():
            parameter.copy_(parameter.float().double())
    items = torch.randn(N_ITEMS, DIM).float().double()
    label_of = torch.where(torch.rand(N_ITEMS) < 0.5, -1, 1)
    names_of = names(model)

    def values():
        return {names_of[key]: value.detach().flatten().tolist() for key, value in model.named_parameters()}

    def group_of(key):
        if key.startswith("norm."):
            return "norm"
        return "attention" if key.startswith("attention") else "readout" if key.startswith("readout") else "mlp"

    groups = {"norm": [], "attention": [], "mlp": [], "readout": []}
    for key, value in model.named_parameters():
        groups[group_of(key)].append(value)
    decays = {"norm": ATTENTION_DECAY if decay_layernorm else 0.0, "attention": ATTENTION_DECAY, "mlp": MLP_DECAY,
              "readout": MLP_DECAY}
    optimizer = torch.optim.SGD([{"params": values_, "weight_decay": decays[name]} for name, values_ in groups.items()
                                 if values_ and not (name == "readout" and freeze_readout)], lr=LR)

    result = {"attend_self": attend_self, "readout_trained": not freeze_readout, "decay_layernorm": decay_layernorm,
              "items": items.flatten().tolist(), "initial": values(), "steps": []}
    for step in range(N_STEPS):
        sequence_items = torch.randint(0, N_ITEMS, (BATCH, N_CONTEXT + 1))
        sequence_labels = label_of[sequence_items]
        tokens = torch.zeros(BATCH, N_CONTEXT + 1, WIDTH)
        tokens[:, :, :DIM] = items[sequence_items]
        tokens[:, :-1, DIM] = (sequence_labels[:, :-1] == 1).double()
        tokens[:, :-1, DIM + 1] = (sequence_labels[:, :-1] == -1).double()
        model.zero_grad()
        logits = model(tokens)
        loss = -torch.nn.functional.logsigmoid(sequence_labels[:, -1] * logits).mean()
        loss.backward()
        kept = {"items": sequence_items.flatten().tolist(), "labels": sequence_labels.flatten().tolist(),
                "logits": logits.tolist(), "loss": loss.item()}
        if step == 0:
            kept["gradient"] = {names_of[key]: value.grad.flatten().tolist() for key, value in model.named_parameters()}
        optimizer.step()
        if step == N_STEPS - 1:
            kept["parameters"] = values()
        result["steps"].append(kept)
    return result


def write(path, cases):
    result = {"torch": torch.__version__, "dim": DIM, "n_context": N_CONTEXT, "hidden": HIDDEN, "lr": LR,
              "mlp_decay": MLP_DECAY, "attention_decay": ATTENTION_DECAY, "cases": cases}
    with open(path, "w") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


write("one_layer_reference.json", [run(OneLayer, True, False, True, 20240614), run(OneLayer, False, False, False, 20240615)])
write("two_layer_reference.json", [run(TwoLayer, True, True, True, 20240616), run(TwoLayer, False, False, False, 20240617)])
