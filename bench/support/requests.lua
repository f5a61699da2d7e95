-- Requests to some paths in turn, with another credential each time: wrk -s requests.lua URL -- FILE TURN_MS PATH...
-- FILE has a header per line: its name, a tab, its value. Each path has its turn for TURN_MS milliseconds.
-- The last line of the output is what happened, as JSON.
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, micros; } moment; int gettimeofday(moment *now, void *zone);")

local moment = ffi.new("moment")
local paths, at, turn_ms, began = {}, 0, 0, nil

local function milliseconds()
  ffi.C.gettimeofday(moment, nil)
  return tonumber(moment.seconds) * 1000 + tonumber(moment.micros) / 1000
end

function init(args)
  turn_ms = tonumber(args[2])
  for index = 3, #args do
    local requests = {}
    for line in io.lines(args[1]) do
      local name, value = line:match("^([^\t]+)\t(.+)$")
      requests[#requests + 1] = wrk.format("GET", args[index], { [name] = value })
    end
    paths[#paths + 1] = requests
  end
end

function request()
  local now = milliseconds()
  began = began or now
  local requests = paths[math.floor((now - began) / turn_ms) % #paths + 1]
  at = at % #requests + 1
  return requests[at]
end

function done(summary)
  local errors = summary.errors
  io.write(
    string.format(
      '\n{"answers":%d,"refused":%d,"failed":%d}\n',
      summary.requests,
      errors.status,
      errors.connect + errors.read + errors.write + errors.timeout
    )
  )
end
