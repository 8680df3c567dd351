#pragma once

#include <string>

#include "iclk/core/error.hpp"

namespace iclk::test {

/// what() of the iclk::Error that `action` throws; "no error" when it throws none.
template <typename Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace iclk::test
