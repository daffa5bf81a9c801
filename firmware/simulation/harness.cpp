// The clock and the other end of the UART of a Verilated board: bytes between a pseudo-terminal and its pins.
//
// Usage: board [--vcd FILE] [--cycles FILE]. The first line of output is the path of the pseudo-terminal. The clock
// runs while something is to be done and stands still else. It ends when its standard input is closed.
// --cycles writes one line for each command, in clock cycles: from the end of the last byte to the start of execution,
// execution, from its end to the first bit of an answer, and then each stretch in which the array was busy.

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "Vhwctl_board.h"
#include "uart.hpp"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

constexpr int kSlice = 512;                    // cycles between two looks at the pseudo-terminal
constexpr int kSettled = 40 * kDivisor + 8192;  // cycles after which a silent board has nothing more to say
constexpr size_t kMost = 1 << 16;              // bytes taken from the host before the board has got them

class Board {
 public:
  explicit Board(const char* vcd) {
#if VM_TRACE
    if (vcd != nullptr) {
      Verilated::traceEverOn(true);
      trace_ = std::make_unique<VerilatedVcdC>();
      top_.trace(trace_.get(), 99);
      trace_->open(vcd);
    }
#else
    (void)vcd;
#endif
    top_.rx = 1;
  }
  ~Board() {
#if VM_TRACE
    if (trace_) trace_->close();
#endif
    top_.final();
  }

  void cycle() {
    top_.rx = sender.level();
    tick();
    receiver.sample(top_.tx);
    count();
  }
  bool quiet() const { return sender.quiet() && receiver.quiet() && !top_.executing; }
  void log(FILE* file) { log_ = file; }

  Sender sender;
  Receiver receiver;

 private:
  void tick() {
    const bool awake = top_.awake;
    top_.clk = 0;
    top_.core_clk = 0;
    step();
    top_.clk = 1;
    top_.core_clk = awake;
    step();
  }
  void step() {
    top_.eval();
#if VM_TRACE
    if (trace_) trace_->dump(time_++);
#endif
  }
  void count() {
    if (log_ == nullptr) return;
    since_byte_ = sender.quiet() ? since_byte_ + 1 : 0;
    if (top_.executing && executing_++ == 0) taken_ = since_byte_;
    if (top_.driving) {
      if (!driving_) stretches_.push_back(0);
      ++stretches_.back();
    }
    driving_ = top_.driving;
    if (top_.executing || executing_ == 0) return;
    if (top_.tx) {
      ++until_answer_;
      return;
    }
    std::fprintf(log_, "%llu %llu %llu", taken_, executing_, until_answer_);
    for (auto stretch : stretches_) std::fprintf(log_, " %llu", stretch);
    std::fprintf(log_, "\n");
    std::fflush(log_);
    executing_ = until_answer_ = 0;
    stretches_.clear();
  }

  Vhwctl_board top_;
  FILE* log_ = nullptr;
  unsigned long long since_byte_ = 0, taken_ = 0, executing_ = 0, until_answer_ = 0;
  std::vector<unsigned long long> stretches_;
  bool driving_ = false;
#if VM_TRACE
  std::unique_ptr<VerilatedVcdC> trace_;
  uint64_t time_ = 0;
#endif
};

bool ended() {  // whoever started this program has closed its standard input
  pollfd input{STDIN_FILENO, POLLIN, 0};
  char byte;
  return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

void wait_for_work(int line) {
  pollfd both[] = {{line, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  poll(both, 2, -1);
}

void take(int line, Sender& sender) {
  if (sender.waiting() > kMost) return;
  uint8_t buffer[4096];
  const ssize_t n = read(line, buffer, sizeof buffer);
  if (n > 0) sender.push(buffer, static_cast<size_t>(n));
}

void give(int line, std::vector<uint8_t>& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(line, bytes.data() + done, bytes.size() - done);
    if (n <= 0) break;  // nobody reads: a real line loses these bytes too
    done += static_cast<size_t>(n);
  }
  bytes.clear();
}

}  // namespace

int main(int argc, char** argv) {
  const char* vcd = nullptr;
  const char* cycles = nullptr;
  for (int n = 1; n + 1 < argc; n += 2) {
    if (std::strcmp(argv[n], "--vcd") == 0) vcd = argv[n + 1];
    if (std::strcmp(argv[n], "--cycles") == 0) cycles = argv[n + 1];
  }
  int line, other;  // the other end stays open here, so that a host may leave and come back
  char path[256];
  termios raw{};
  if (openpty(&line, &other, path, nullptr, nullptr) != 0) {
    std::perror("openpty");
    return 1;
  }
  tcgetattr(other, &raw);
  cfmakeraw(&raw);
  tcsetattr(other, TCSANOW, &raw);
  fcntl(line, F_SETFL, O_NONBLOCK);
  Board board(vcd);
  if (cycles != nullptr) board.log(std::fopen(cycles, "w"));
  std::printf("%s\n", path);
  std::fflush(stdout);
  for (int idle = 0;;) {
    if (idle >= kSettled) {
      wait_for_work(line);
      if (ended()) return 0;
      idle = 0;
    }
    take(line, board.sender);
    for (int n = 0; n < kSlice; ++n) {
      board.cycle();
      idle = board.quiet() ? idle + 1 : 0;
      if (board.receiver.wants_out()) {
        give(line, board.receiver.bytes);
        break;
      }
    }
  }
}
