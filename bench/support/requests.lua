-- Requests with another credential each time: wrk -s requests.lua URL -- FILE
-- FILE has a header per line: its name, a tab, its value. The last line of the output is what happened, as JSON.
local requests, at = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local name, value = line:match("^([^\t]+)\t(.+)$")
    requests[#requests + 1] = wrk.format("GET", nil, { [name] = value })
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary)
  local errors = summary.errors
  io.write(
    string.format(
      '\n{"answers":%d,"refused":%d,"failed":%d,"seconds":%.6f}\n',
      summary.requests,
      errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      summary.duration / 1e6
    )
  )
end
