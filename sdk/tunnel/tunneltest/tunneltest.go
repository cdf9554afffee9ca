// Package tunneltest is the contract of tunnel.Service as a suite, and World, a registry in memory that passes it.
//
// Whoever implements a Service (the registry, the wire, World itself) calls Run from its test with a Fixture of its own.
// Whoever uses one takes a World: it applies the same rules of package tunnel as the daemon's registry, so a module's test
// is refused what the host would refuse.
package tunneltest

import (
	"encoding/json"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Fixture is one registry under test, with the hands of those who act on it beside the owners: the operator, the module
// host and the supervisor. Each method returns once its change is visible to every Service.
type Fixture interface {
	// As is the Service of one owner.
	As(owner tunnel.Owner) tunnel.Service

	// AddModule installs a module, its description accepted.
	AddModule(d tunnel.Description) error
	// Miss says whether the module's binary is missing.
	Miss(module tunnel.Owner, missing bool)

	// Configure adds a configuration, enabled, or changes the settings of one that is there.
	Configure(ref tunnel.ConfigurationRef, settings json.RawMessage) error
	// Enable enables or disables a configuration.
	Enable(ref tunnel.ConfigurationRef, enabled bool) error
	// RemoveConfiguration removes a configuration and with it the tunnels it declared.
	RemoveConfiguration(ref tunnel.ConfigurationRef) error

	// AddTunnel adds an operator-made tunnel of any owner.
	AddTunnel(t tunnel.Tunnel) error
	// RemoveTunnel removes a tunnel the way the operator's command does.
	RemoveTunnel(ref tunnel.Ref) error
	// Suspend switches a tunnel of either sort off or on.
	Suspend(ref tunnel.Ref, suspended bool) error

	// Report says how a tunnel is, as the supervisor does.
	Report(ref tunnel.Ref, s tunnel.Status)

	// Reopen ends everything and opens what was kept, as a restart of the daemon does. The Fixture returned replaces
	// this one; a registry that keeps nothing elsewhere returns itself.
	Reopen(t testing.TB) Fixture
}

// Run holds the Service that open makes to the contract. Each test opens one of its own, empty; what has to be closed,
// open leaves to t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, f Fixture)
	}{
		{"EveryOwnerSeesEveryTunnel", everyOwnerSeesEveryTunnel},
		{"ListIsInOrder", listIsInOrder},
		{"OnlyTheOwnerChanges", onlyTheOwnerChanges},
		{"AConfigurationTouchesItsOwnTunnelsAlone", aConfigurationTouchesItsOwn},
		{"UnknownConfiguration", unknownConfiguration},
		{"AllOrNothing", allOrNothing},
		{"EveryFindingAtOnce", everyFindingAtOnce},
		{"EqualDeclarationWritesNothing", equalDeclarationWritesNothing},
		{"WhatIsLeftOutIsWithdrawn", whatIsLeftOutIsWithdrawn},
		{"NoServerIsNoTunnel", noServerIsNoTunnel},
		{"SlotsLimitTheMappings", slotsLimitTheMappings},
		{"SettingsChangeWithoutTheModule", settingsChangeWithoutTheModule},
		{"SettingsThatDoNotFitChangeNothing", settingsThatDoNotFit},
		{"CollisionsOverAllOwners", collisionsOverAllOwners},
		{"SuspendedTunnelsKeepTheirPorts", suspendedTunnelsKeepTheirPorts},
		{"PolicyBindsTheOperatorToo", policyBindsTheOperatorToo},
		{"DeclaredTunnelsFollowTheirConfiguration", declaredTunnelsFollowTheirConfiguration},
		{"OperatorMadeTunnelsFollowAnyConfiguration", operatorMadeTunnelsFollowAny},
		{"OperatorsTunnelsAreAlwaysActive", operatorsTunnelsAreAlwaysActive},
		{"SuspensionOutlivesDeclarations", suspensionOutlivesDeclarations},
		{"AMissingModule", aMissingModule},
		{"StatusIsWhatWasReported", statusIsWhatWasReported},
		{"WatchBeginsWithThePresent", watchBeginsWithThePresent},
		{"WatchTellsChangesInOrder", watchTellsChangesInOrder},
		{"WatchIgnoresCounters", watchIgnoresCounters},
		{"ASlowWatcherResyncs", aSlowWatcherResyncs},
		{"TheContextEndsEveryCall", theContextEndsEveryCall},
		{"AWaitingWatchEnds", aWaitingWatchEnds},
		{"ReadersMayStopEarly", readersMayStopEarly},
		{"ResultsAreCopies", resultsAreCopies},
		{"ReopeningKeepsEverything", reopeningKeepsEverything},
		{"ConcurrentOwners", concurrentOwners},
		{"AnyInterleaving", anyInterleaving},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}
