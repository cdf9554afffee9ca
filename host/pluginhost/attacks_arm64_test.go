package pluginhost

// attacksOfArch use calls that this architecture alone has: there are none.
var attacksOfArch []attack
