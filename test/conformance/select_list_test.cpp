// csp::select_list: the arms of a select in a list made at run time. The rules are those of csp::select.
#include "test/conformance/crew.h"

#include <memory>
#include <optional>
#include <vector>

namespace {

using namespace std::chrono_literals;
using csp::chan;
using csp::on_recv;
using csp::on_send;
using csp::on_timeout;
using csp::otherwise;
using csp::when;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;
using csp_test::waiting_to_receive;
using csp_test::waiting_to_send;

constexpr std::size_t arms = 200;

}  // namespace

TEST_CASE("select_list: 200 arms made at run time; the one that can proceed is done, the others left alone") {
  on_each_cast([](expectations& expect, crew& people) {
    std::vector<chan<std::size_t>> channels;
    for (std::size_t i = 0; i < arms; ++i) {
      channels.emplace_back();
    }
    people.add([&] {
      csp::select_list list;
      std::size_t got = 0;
      for (std::size_t i = 0; i < arms; ++i) {
        if (i % 2 == 0) {
          list.add(on_recv(channels[i], [&](std::optional<std::size_t> value) { got = *value; }));
        } else {
          list.add(on_send(channels[i], i, [&, i] { got = i; }));
        }
      }
      expect(list.size() == arms, "size");
      for (std::size_t i = 0; i < arms; i += 7) {  // run again and again
        expect(list.run() == static_cast<int>(i) && got == i, "the one that met its partner");
      }
      list.add(on_timeout(1ms)).add(when(false, otherwise()));
      expect(list.run() == static_cast<int>(arms), "the timeout");
      list.clear();
      expect(list.size() == 0, "clear");
      list.add(otherwise());
      expect(list.run() == 0, "another list");
    });
    people.add([&] {
      for (std::size_t i = 0; i < arms; i += 7) {
        i % 2 == 0 ? channels[i].send(i) : expect(channels[i].recv() == i, "the value of the send arm");
      }
    });
    people.join();
    for (const auto& channel : channels) {
      expect(waiting_to_receive(channel) == 0 && waiting_to_send(channel) == 0, "nothing is left");
    }
  });
}

TEST_CASE("select_list: an rvalue stays the caller's until it is sent; a closed channel throws; an empty list is nil") {
  csp::select_list list;
  const chan<std::unique_ptr<int>> channel(1);
  auto value = std::make_unique<int>(1);
  list.add(on_send(channel, std::move(value))).add(otherwise());
  CHECK(value != nullptr);
  CHECK(list.run() == 0);
  CHECK(value == nullptr);
  value = std::make_unique<int>(2);
  CHECK(list.run() == 1);
  CHECK(value != nullptr);
  channel.close();
  CHECK_THROWS_AS(list.run(), csp::closed_channel);
  CHECK(value != nullptr);
}
