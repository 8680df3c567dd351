#pragma once

#include <string>
#include <variant>

#include "iclk/theory/attention_flow.hpp"

namespace iclk::cli {

/// Signed logits as --logits takes them, by the end of the file's name:
///
///     .npy    an array [items]
///     .json   {"phi": [...], "weights": [...]}, or FILE.json:NAME for one of several such lists in a file
///     else    a table with a column phi (or logit, signed_logit), optionally weight; with a column time the rows of each
///             time are one list, and the logits change between the times
///
/// Throws Error with file and place for everything else.
std::variant<theory::LogitList, theory::LogitHistory> read_logits(const std::string& file);

}  // namespace iclk::cli
