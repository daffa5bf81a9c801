// The other end of a board's UART, at its pins: one call a clock cycle.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

constexpr int kDivisor = HWCTL_DIVISOR;  // clock cycles of a bit
constexpr size_t kGiven = 1024;          // bytes that are given to the host at once, before the board pauses

class Sender {  // host to board
 public:
  void push(const uint8_t* bytes, size_t n) { waiting_.insert(waiting_.end(), bytes, bytes + n); }
  bool quiet() const { return waiting_.empty() && bits_ == 0; }
  size_t waiting() const { return waiting_.size(); }

  int level() {
    if (bits_ == 0) {
      if (waiting_.empty()) return 1;
      frame_ = 0x200u | waiting_.front() << 1;  // start bit 0, eight bits, stop bit 1
      waiting_.pop_front();
      bits_ = 10;
      left_ = kDivisor;
    }
    const int now = frame_ & 1;
    if (--left_ == 0) {
      left_ = kDivisor;
      frame_ >>= 1;
      --bits_;
    }
    return now;
  }

 private:
  std::deque<uint8_t> waiting_;
  unsigned frame_ = 0;
  int bits_ = 0, left_ = 0;
};

class Receiver {  // board to host
 public:
  bool quiet() const { return !active_; }
  bool wants_out() const { return bytes.size() >= kGiven || (!bytes.empty() && silent_ > 4 * kDivisor); }

  void sample(int level) {
    if (!active_) {
      ++silent_;
      if (level == 0) {
        active_ = true;
        silent_ = 0;
        bit_ = 0;
        byte_ = 0;
        left_ = kDivisor + kDivisor / 2;
      }
      return;
    }
    if (--left_ != 0) return;
    left_ = kDivisor;
    if (bit_ == 8) {
      active_ = false;
      bytes.push_back(byte_);
    } else {
      byte_ |= static_cast<uint8_t>(level << bit_++);
    }
  }

  std::vector<uint8_t> bytes;

 private:
  bool active_ = false;
  int bit_ = 0, left_ = 0;
  uint64_t silent_ = 0;  // cycles since the last byte
  uint8_t byte_ = 0;
};
