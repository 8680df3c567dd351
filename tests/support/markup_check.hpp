#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace iclk::test {

/// One opening tag of a page.
struct MarkupTag {
  std::string name;
  std::vector<std::pair<std::string, std::string>> attributes;

  std::string attribute(std::string_view wanted) const;  ///< empty when it has none of this name
};

struct Markup {
  std::string problem;          ///< the first fault in words, empty when well-formed
  std::vector<MarkupTag> tags;  ///< every opening tag, in order
};

/// Reads markup by the strict rules of XML: tags nest, attributes are quoted and not repeated, no stray `<` or `&`. The
/// content of <style> is passed over.
Markup read_markup(std::string_view text);

}  // namespace iclk::test
