-- What bench/net/rows.py reads of a run of wrk: one line of JSON, the times in microseconds. Only done() is defined, so
-- that wrk sends the same prepared request without asking this script.
function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\n{"requests":%d,"us":%d,"bytes":%d,"bad_status":%d,"broken":%d,',
    summary.requests, summary.duration, summary.bytes, errors.status, broken))
  io.write(string.format('"p50_us":%g,"p99_us":%g,"p99.9_us":%g,"max_us":%g}\n',
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
