// A Verilated board behind AXI4-Lite, as a library: whole words, with the handshakes of the bus.
//
// A write gives its response, a read the word or, with bit 63 set, its response; -1 where the board does not answer.

#include <cstdint>

#include "Vhwctl_crossbar.h"
#include "verilated.h"

namespace {

constexpr int kMost = 1000;  // cycles until an access must have been answered
constexpr int kReset = 8;

struct Bus {
  Vhwctl_crossbar top;
  uint64_t cycles = 0;

  void settle() {
    top.aclk = 0;
    top.eval();
  }
  void rise() {
    top.aclk = 1;
    top.eval();
    ++cycles;
  }
  void cycle() {
    settle();
    rise();
  }
  template <typename Done>
  bool until(Done done) {
    for (int n = 0; n < kMost; ++n) {
      settle();
      const bool now = done();
      rise();
      if (now) return true;
    }
    return false;
  }
};

}  // namespace

extern "C" {

void* bus_new() {
  Bus* bus = new Bus;
  Vhwctl_crossbar& t = bus->top;
  t.aresetn = t.s_axi_awvalid = t.s_axi_wvalid = t.s_axi_arvalid = t.s_axi_bready = t.s_axi_rready = 0;
  for (int n = 0; n < kReset; ++n) bus->cycle();
  t.aresetn = 1;
  for (int n = 0; n < kReset; ++n) bus->cycle();
  return bus;
}

void bus_delete(void* handle) {
  Bus* bus = static_cast<Bus*>(handle);
  bus->top.final();
  delete bus;
}

int bus_write(void* handle, uint32_t address, uint32_t data) {
  Bus& bus = *static_cast<Bus*>(handle);
  Vhwctl_crossbar& t = bus.top;
  t.s_axi_awaddr = address;
  t.s_axi_wdata = data;
  t.s_axi_wstrb = 15;
  t.s_axi_awvalid = t.s_axi_wvalid = 1;
  const bool taken = bus.until([&] { return t.s_axi_awready && t.s_axi_wready; });
  t.s_axi_awvalid = t.s_axi_wvalid = 0;
  if (!taken) return -1;
  t.s_axi_bready = 1;
  int response = -1;
  bus.until([&] { return t.s_axi_bvalid ? (response = t.s_axi_bresp, true) : false; });
  t.s_axi_bready = 0;
  return response;
}

int64_t bus_read(void* handle, uint32_t address) {
  Bus& bus = *static_cast<Bus*>(handle);
  Vhwctl_crossbar& t = bus.top;
  t.s_axi_araddr = address;
  t.s_axi_arvalid = 1;
  const bool taken = bus.until([&] { return t.s_axi_arready != 0; });
  t.s_axi_arvalid = 0;
  if (!taken) return -1;
  t.s_axi_rready = 1;
  int64_t found = -1;
  bus.until([&] {
    if (!t.s_axi_rvalid) return false;
    found = t.s_axi_rresp ? INT64_MIN | t.s_axi_rresp : static_cast<int64_t>(t.s_axi_rdata);
    return true;
  });
  t.s_axi_rready = 0;
  return found;
}

void bus_run(void* handle, uint64_t cycles) {
  for (Bus* bus = static_cast<Bus*>(handle); cycles > 0; --cycles) bus->cycle();
}

int bus_interrupt(void* handle) { return static_cast<Bus*>(handle)->top.irq; }

uint64_t bus_cycles(void* handle) { return static_cast<Bus*>(handle)->cycles; }

}  // extern "C"
