// A Verilated board with a physical array, as a library: the UART's other end, and the pins of its parts.
//
// Pins are looked at once a cycle. What comes together there, words of converters and patterns of switches, goes to
// whoever has the parts, with the cycle in which it did; a part answers with the word that it returns: an ADC when it
// samples, a DAC in its next word.

#include <cstdint>
#include <memory>
#include <vector>

#include "Vhwctl_analog_board.h"
#include "uart.hpp"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

constexpr int kSettled = 40 * kDivisor + 8192;  // cycles after which a silent board has nothing more to say

struct Parts {
  int dacs, dac_rising, dac_bits;  // whether the clock's rising edge takes a bit
  int adcs, adc_rising, adc_bits;
  int chains;
  uint32_t (*dac)(uint64_t now, int chip, uint32_t word, int bits);
  void (*frame)(uint64_t now, int chip, uint32_t word, int bits);
  uint32_t (*sample)(uint64_t now, int chip);
  void (*outputs)(uint64_t now, int chain, const uint8_t* shifted, int count);  // the last bit last: output 0
  void (*levels)(uint64_t now, uint32_t enable_n, uint32_t range_pins, uint64_t switch_pins);
};

class Words {  // bits between two edges of a select pin
 public:
  template <typename Fell, typename Changed, typename Done>
  void see(bool selected, bool clock, bool data, bool rising, Fell fell, Changed changed, Done done) {
    if (selected && !selected_) {
      word_ = 0;
      bits_ = clock == rising ? -1 : 0;  // not idle as select fell: no count of bits is right any more
      fell();
    } else if (!selected && selected_) {
      done(word_, bits_);
    } else if (selected && clock != clock_) {
      if (clock == rising) {
        word_ = word_ << 1 | data;
        if (bits_ >= 0) ++bits_;
      } else if (bits_ > 0) {
        changed();
      }
    }
    selected_ = selected;
    clock_ = clock;
  }

 private:
  uint32_t word_ = 0;
  int bits_ = 0;
  bool selected_ = false, clock_ = false;
};

enum Line { kNone, kDacData, kDacClock, kDacSelect, kDacAnswer, kAdcData, kAdcAnswer };  // that may be stuck

template <typename Top>
auto answer(Top& top, uint32_t lines, int) -> decltype(top.dac_sdo, void()) {
  top.dac_sdo = lines;
}
template <typename Top>
void answer(Top&, uint32_t, long) {}  // of a board that does not read DACs back

template <typename Top>
auto switches(const Top& top, int) -> decltype(static_cast<uint64_t>(top.switch_pins)) {
  return top.switch_pins;
}
template <typename Top>
uint64_t switches(const Top&, long) {  // of a board that has all on shift registers
  return 0;
}

struct Chain {
  std::vector<uint8_t> shifted;
  bool shcp = false, stcp = true;
};

class Board {
 public:
  Board(const Parts& parts, const int* outputs, const char* vcd)
      : parts_(parts), dacs_(parts.dacs), adcs_(parts.adcs), chains_(parts.chains),
        returned_(parts.adcs), brings_(parts.dacs), brought_(parts.dacs) {
    for (int n = 0; n < parts.chains; ++n) chains_[n].shifted.assign(outputs[n], 0);
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
    top_.clk = 0;
    step();
  }
  ~Board() {
#if VM_TRACE
    if (trace_) trace_->close();
#endif
    top_.final();
  }

  void run(uint64_t cycles) {
    for (const uint64_t end = now + cycles; now < end && !receiver.wants_out();) cycle();
  }
  bool quiet() const { return sender.quiet() && receiver.quiet() && !top_.executing && top_.resting && idle_ > kSettled; }
  int state() const { return top_.executing | top_.resting << 1 | top_.tripped << 2 | quiet() << 3; }

  Sender sender;
  Receiver receiver;
  uint64_t now = 0, executed = 0, worst_rest = 0;
  int stuck = kNone, level = 0;  // a line, and its level

 private:
  void cycle() {
    top_.rx = sender.level();
    top_.clk = 0;
    step();
    top_.clk = 1;
    step();
    ++now;
    executed += top_.executing;
    since_trip_ = top_.tripped && !top_.resting ? since_trip_ + 1 : 0;
    if (since_trip_ > worst_rest) worst_rest = since_trip_;
    receiver.sample(top_.tx);
    look();
    idle_ = sender.quiet() && receiver.quiet() && !top_.executing ? idle_ + 1 : 0;
  }
  void step() {
    top_.eval();
#if VM_TRACE
    if (trace_) trace_->dump(time_++);
#endif
  }
  void look() {
    const Parts& p = parts_;
    look_at_dacs();
    for (int n = 0; n < p.chains; ++n) shift(n);
    const uint64_t pins = switches(top_, 0);
    if (top_.enable_n != enable_n_ || top_.range_pins != range_pins_ || pins != switch_pins_) {
      p.levels(now, enable_n_ = top_.enable_n, range_pins_ = top_.range_pins, switch_pins_ = pins);
    }
    const bool adc_data = pin(kAdcData, top_.adc_sdi);
    uint32_t lines = 0;
    for (int n = 0; n < p.adcs; ++n) {
      adcs_[n].see(
          !top_.adc_cs_n, top_.adc_sclk, adc_data, p.adc_rising, [&] { returned_[n] = p.sample(now, n); },
          [&] { returned_[n] <<= 1; }, [&](uint32_t word, int bits) { p.frame(now, n, word, bits); });
      lines |= (returned_[n] >> (p.adc_bits - 1) & 1) << n;
    }
    top_.adc_sdo = stuck == kAdcAnswer ? -level & ((1u << p.adcs) - 1) : lines;
  }
  bool pin(Line line, bool driven) const { return stuck == line ? level : driven; }
  void look_at_dacs() {
    const Parts& p = parts_;
    const bool data = pin(kDacData, top_.dac_sdi), clock = pin(kDacClock, top_.dac_sclk);
    uint32_t lines = 0;
    for (int n = 0; n < p.dacs; ++n) {
      dacs_[n].see(
          !pin(kDacSelect, top_.dac_sync_n >> n & 1), clock, data, p.dac_rising, [&] { brought_[n] = brings_[n]; },
          [&] { brought_[n] <<= 1; }, [&](uint32_t word, int bits) { brings_[n] = p.dac(now, n, word, bits); });
      lines |= (brought_[n] >> (p.dac_bits - 1) & 1) << n;
    }
    answer(top_, stuck == kDacAnswer ? -level & ((1u << p.dacs) - 1) : lines, 0);
  }
  void shift(int n) {
    Chain& chain = chains_[n];
    const bool shcp = top_.shcp >> n & 1, stcp = top_.stcp >> n & 1;
    if (shcp && !chain.shcp) {
      chain.shifted.erase(chain.shifted.begin());
      chain.shifted.push_back(top_.ds >> n & 1);
    }
    if (stcp && !chain.stcp) {
      parts_.outputs(now, n, chain.shifted.data(), static_cast<int>(chain.shifted.size()));
    }
    chain.shcp = shcp;
    chain.stcp = stcp;
  }

  Vhwctl_analog_board top_;
  Parts parts_;
  std::vector<Words> dacs_, adcs_;
  std::vector<Chain> chains_;
  std::vector<uint32_t> returned_, brings_, brought_;
  uint32_t enable_n_ = ~0u, range_pins_ = 0;
  uint64_t switch_pins_ = 0;
  int idle_ = 0;
  uint64_t since_trip_ = 0;
#if VM_TRACE
  std::unique_ptr<VerilatedVcdC> trace_;
  uint64_t time_ = 0;
#endif
};

Board& of(void* handle) { return *static_cast<Board*>(handle); }

}  // namespace

extern "C" {

void* analog_new(const Parts* parts, const int* outputs, const char* vcd) { return new Board(*parts, outputs, vcd); }
void analog_delete(void* handle) { delete static_cast<Board*>(handle); }
void analog_push(void* handle, const uint8_t* bytes, int count) { of(handle).sender.push(bytes, count); }
void analog_run(void* handle, uint64_t cycles) { of(handle).run(cycles); }
int analog_state(void* handle) { return of(handle).state(); }
int analog_waiting(void* handle) { return static_cast<int>(of(handle).sender.waiting()); }
uint64_t analog_cycles(void* handle) { return of(handle).now; }
uint64_t analog_worst_rest(void* handle) { return of(handle).worst_rest; }
uint64_t analog_executed(void* handle) { return of(handle).executed; }
void analog_stick(void* handle, int line, int level) {
  of(handle).stuck = line;
  of(handle).level = level;
}

int analog_take(void* handle, uint8_t* bytes, int most) {
  std::vector<uint8_t>& waiting = of(handle).receiver.bytes;
  const int count = static_cast<int>(waiting.size()) < most ? static_cast<int>(waiting.size()) : most;
  for (int n = 0; n < count; ++n) bytes[n] = waiting[n];
  waiting.erase(waiting.begin(), waiting.begin() + count);
  return count;
}

}  // extern "C"
