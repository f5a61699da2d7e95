-- Puts what is known of a session in its key, unless something newer is there.
--
-- KEYS[1]  the key of the session
-- ARGV[1]  the value: a letter, L for a live copy or T for a tombstone, and the copy's version, time of reading and body,
--          separated by colons
-- ARGV[2]  milliseconds until the key is forgotten
-- returns  1 if the value is there now, 0 if something newer is, -1 if there is no memory for it and the key is gone
--
-- A tombstone takes the place of anything and nothing takes its place. A live copy of a higher version takes the place of
-- another, and of the same version one that was read later.
local kind = string.sub(ARGV[1], 1, 1)
if kind == 'L' then
  local held = redis.call('GET', KEYS[1])
  if held then
    if string.sub(held, 1, 1) == 'T' then
      return 0
    end
    local heldVersion, heldRead = string.match(held, '^L:(%d+):(%d+):')
    local version, read = string.match(ARGV[1], '^L:(%d+):(%d+):')
    heldVersion, version = tonumber(heldVersion) or 0, tonumber(version)
    if heldVersion > version or (heldVersion == version and tonumber(heldRead) >= tonumber(read)) then
      return 0
    end
  end
end
local put = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if put.err then
  redis.call('DEL', KEYS[1])
  return -1
end
return 1
