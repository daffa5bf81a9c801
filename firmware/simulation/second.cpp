// A board in CXXRTL, as a check on Verilator: bytes of standard input go into its UART, its own come out.
//
// It ends once the board has been silent and idle for kSettled cycles behind the last byte.

#include <cstdint>
#include <cstdio>
#include <vector>

#include "board.h"

namespace {
constexpr int kDivisor = HWCTL_DIVISOR;  // clock cycles of a bit
constexpr int kSettled = 40 * kDivisor + 8192;
using Design = cxxrtl_design::p_hwctl__board;

void cycle(Design& top, bool rx) {
  top.p_rx.set<bool>(rx);
  top.p_clk.set<bool>(false);
  top.p_core__clk.set<bool>(false);
  top.step();
  const bool awake = top.p_awake.get<bool>();  // wires are up to date in the step behind an edge
  top.p_clk.set<bool>(true);
  top.p_core__clk.set<bool>(awake);
  top.step();
}
}  // namespace

int main() {
  std::vector<bool> levels;
  for (int byte; (byte = std::getchar()) != EOF;) {
    const unsigned frame = 0x200u | static_cast<unsigned>(byte) << 1;
    for (int bit = 0; bit < 10; ++bit) levels.insert(levels.end(), kDivisor, frame >> bit & 1);
  }
  Design top;
  top.step();
  int idle = 0, left = 0, bit = -1;
  unsigned byte = 0;
  for (size_t n = 0; idle < kSettled; ++n) {
    cycle(top, n >= levels.size() || levels[n]);
    const bool tx = top.p_tx.get<bool>();
    if (bit < 0 && !tx) {
      bit = 0;
      byte = 0;
      left = kDivisor + kDivisor / 2;
    } else if (bit >= 0 && --left == 0) {
      left = kDivisor;
      if (bit == 8) {
        std::putchar(static_cast<int>(byte));
        bit = -1;
      } else {
        byte |= static_cast<unsigned>(tx) << bit++;
      }
    }
    idle = n < levels.size() || bit >= 0 || top.p_executing.get<bool>() ? 0 : idle + 1;
  }
}
