#include <algorithm>
#include <set>
#include <string>

#include "iclk/core/error.hpp"
#include "iclk/figures/report.hpp"
#include "page_text.hpp"

namespace iclk::figures {
namespace {

/// The end of a quoted attribute value that begins at `start`, just after its quote.
std::size_t value_end(std::string_view text, std::size_t start, char quote) {
  const std::size_t end = text.find(quote, start);
  if (end == std::string_view::npos) throw Error("picture: an attribute does not end");
  return end;
}

/// Removes <name ...>...</name>, once.
void remove_element(std::string& text, const std::string& name) {
  const std::size_t start = text.find("<" + name + ">");
  const std::size_t end = text.find("</" + name + ">");
  if (start == std::string::npos || end == std::string::npos || end < start) return;
  text.erase(start, end + name.size() + 3 - start);
}

/// Every name after `#` in href='#name' and url(#name).
std::set<std::string, std::less<>> references_in(std::string_view svg, std::string_view id) {
  std::set<std::string, std::less<>> names;
  for (std::size_t at = svg.find("href="); at != std::string_view::npos; at = svg.find("href=", at + 1)) {
    const std::size_t start = at + 6;
    const std::string_view value = svg.substr(start, value_end(svg, start, svg[at + 5]) - start);
    if (value.starts_with("data:")) continue;
    if (!value.starts_with('#')) {
      throw field_error(std::string(id), "the picture refers to \"" + std::string(value) + "\" outside itself");
    }
    names.emplace(value.substr(1));
  }
  for (std::size_t at = svg.find("url("); at != std::string_view::npos; at = svg.find("url(", at + 1)) {
    std::size_t start = at + 4;
    if (svg[start] == '\'' || svg[start] == '"') ++start;
    const std::size_t end = svg.find_first_of("'\")", start);
    if (end == std::string_view::npos || svg[start] != '#') {
      throw field_error(std::string(id), "the picture refers to something outside itself");
    }
    names.emplace(svg.substr(start + 1, end - start - 1));
  }
  return names;
}

}  // namespace

std::string inline_svg(std::string_view svg, std::string_view id, std::string_view label) {
  const std::size_t open = svg.find("<svg");
  const std::size_t close = svg.rfind("</svg>");
  const std::size_t open_end = open == std::string_view::npos ? open : svg.find('>', open);
  if (open_end == std::string_view::npos || close == std::string_view::npos || close < open_end) {
    throw field_error(std::string(id), "the picture holds no complete <svg> element");
  }
  const std::string_view head = svg.substr(open, open_end - open);
  const std::size_t box = head.find("viewBox=\"");
  if (box == std::string_view::npos) throw field_error(std::string(id), "the picture has no viewBox");
  const std::size_t box_start = box + 9;
  const std::string view_box(head.substr(box_start, value_end(head, box_start, '"') - box_start));

  std::string body(svg.substr(open_end + 1, close - open_end - 1));
  remove_element(body, "title");
  remove_element(body, "desc");
  const auto references = references_in(body, id);
  const std::string prefix = std::string(id) + "-";

  std::string out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"" + view_box +
      "\" role=\"img\" aria-label=\"" + escaped(label) + "\">";
  std::size_t done = 0;
  const auto copy_to = [&](std::size_t end) {
    out += std::string_view(body).substr(done, end - done);
    done = end;
  };
  for (std::size_t at = 0; at < body.size(); ++at) {
    const std::string_view rest = std::string_view(body).substr(at);
    if (rest.starts_with(" id=\"") || rest.starts_with(" id='")) {
      const std::size_t start = at + 5, end = value_end(body, start, body[at + 4]);
      copy_to(at);
      const std::string name = body.substr(start, end - start);
      if (references.contains(name)) out += " id=\"" + prefix + name + "\"";
      at = end;
      done = end + 1;
    } else if (rest.starts_with("href='#") || rest.starts_with("href=\"#")) {
      copy_to(at + 7);
      out += prefix;
    } else if (rest.starts_with("url(#")) {
      copy_to(at + 5);
      out += prefix;
    } else if (rest.starts_with("url('#") || rest.starts_with("url(\"#")) {
      copy_to(at + 6);
      out += prefix;
    }
  }
  copy_to(body.size());
  return out + "</svg>";
}

}  // namespace iclk::figures
