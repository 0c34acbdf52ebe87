-- What Argo CD shows of an ExecAccess, a LiveResourceAccess or a ClusterAccess.
local function health(status, message)
  return {status = status, message = message}
end

local function is(reason, reasons)
  for _, one in ipairs(reasons) do
    if reason == one then
      return true
    end
  end
  return false
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "Being deleted: the access is taken back")
end
if obj.status == nil or obj.status.conditions == nil then
  return health("Progressing", "The operator has not said anything of it yet")
end
local generation = obj.metadata.generation
local observed = obj.status.observedGeneration
if generation ~= nil and (observed == nil or observed < generation) then
  return health("Progressing", "The status is that of an older generation")
end

local ready, active, failed = nil, nil, nil
for _, condition in ipairs(obj.status.conditions) do
  local current = condition.observedGeneration
  if generation ~= nil and current ~= nil and current < generation then
    return health("Progressing", "The status is that of an older generation")
  end
  if condition.type == "Ready" then
    ready = condition
  elseif condition.type == "Active" then
    active = condition
  end
  if condition.status ~= "True" and condition.reason == "WriteFailed" and condition.type ~= "Ready" then
    failed = condition
  end
end
if ready == nil then
  return health("Progressing", "The operator has not said anything of it yet")
end
local message = ready.reason .. ": " .. (ready.message or "")

if ready.status == "True" then
  return health("Healthy", message)
end
-- Also while it is suspended: what could not be taken back is there still.
if failed ~= nil then
  return health("Degraded", failed.type .. ": " .. (failed.message or ""))
end
if active ~= nil and active.status ~= "True" then
  if is(active.reason, {"Suspended", "Observing", "BeforeStart", "OutsideSchedule", "Expired", "NotEnabled"}) then
    if is(ready.reason, {"NotReadable", "Pending"}) then
      return health("Progressing", message)
    end
    return health("Suspended", active.reason .. ": " .. (active.message or ""))
  end
  if is(active.reason, {"Deleting", "Withdrawn"}) then
    return health("Progressing", active.message)
  end
end
if is(ready.reason, {"Pending", "NotChecked", "NotProbed", "NoApplications", "RestartRequired", "RestartPending", "WaitingForARN", "Rotating"}) then
  return health("Progressing", message)
end
return health("Degraded", message)
