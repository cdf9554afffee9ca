package sdktest

// Rule is one that every module keeps.
type Rule struct {
	Name  string // of its subtest
	Says  string // what it holds a module to, in a sentence
	hold  func(*bench, subject) judgement
	moves bool // it changes what all tests of the process share
}

// Rules are those that [Conformance] holds a module to, in the order in which an author best reads what is wrong. A module that
// breaks one of the first is not judged by those that need it.
func Rules() []Rule { return append([]Rule(nil), rules...) }

// The one list of the rules. The package's comment has it too: a test sees to it.
var rules []Rule

func init() { // the rules refer to each other by it
	rules = []Rule{
		{Name: "Describe", hold: describes,
			Says: "Describe answers without settings and host, always the same, within the bounds of a description."},
		{Name: "Schema", hold: hasSoundSchema,
			Says: "The settings have a schema that the host can check by, and each default fits its own field."},
		{Name: "Settings", hold: takesSettings,
			Says: "The settings that the module is tried with fit its schema."},
		{Name: "Run", hold: runs,
			Says: "Run does not fail or panic with settings that fit, while the sites are there."},
		{Name: "Sandbox", hold: runsConfined,
			Says: "A built module runs in the sandbox of the real host as it does without."},
		{Name: "DeclareOwn", hold: running(declaresItsOwn),
			Says: "Run declares no tunnel but those of its own configuration."},
		{Name: "DeclareOnce", hold: running(declaresOnce),
			Says: "Every Declare of a run states the same whole set while nothing changes."},
		{Name: "EndBeforeDeclare", hold: endsBeforeDeclare,
			Says: "Run returns within 5 s of the end of its context while it waits in Declare."},
		{Name: "EndInDial", hold: endsInDial,
			Says: "Run returns within 5 s of the end of its context while it waits in Dial."},
		{Name: "EndInWatch", hold: endsInWatch,
			Says: "Run returns within 5 s of the end of its context while it watches the tunnels."},
		{Name: "EndAtRest", hold: endsAtRest,
			Says: "Run returns within 5 s of the end of its context while it waits for anything else."},
		{Name: "EndInFault", hold: endsInFault,
			Says: "Run returns within 5 s of the end of its context while something is wrong with its tunnels."},
		{Name: "LeaveNothing", hold: running(leavesNothing),
			Says: "A run that has returned holds no goroutine and no connection any more."},
		{Name: "Cut", hold: running(survives(Cut)),
			Says: "A lost link ends no run for good, closes no listener and withdraws no tunnel."},
		{Name: "Freeze", hold: running(survives(Freeze)),
			Says: "A link that lets nothing through any more ends no run for good, closes no listener and withdraws no tunnel."},
		{Name: "WrongKey", hold: running(survives(WrongKey)),
			Says: "A server that shows another host key ends no run for good, closes no listener and withdraws no tunnel."},
		{Name: "LoginRefused", hold: running(survives(loginRefused)),
			Says: "A server that refuses the login ends no run for good, closes no listener and withdraws no tunnel."},
		{Name: "TargetRefused", hold: running(survives(targetRefused)),
			Says: "A service that refuses connections ends no run for good, closes no listener and withdraws no tunnel."},
		{Name: "SlowLink", hold: running(standsSlowness),
			Says: "Run does not fail while each write takes a quarter of a second."},
		{Name: "FullQueue", hold: running(takesResync),
			Says: "A watch that fell behind and begins anew ends no run."},
		{Name: "Restart", hold: running(restarts),
			Says: "Run withdraws nothing when it ends, and started again it declares what it declared."},
		{Name: "HostRestart", hold: running(outlivesHost),
			Says: "Run returns within 2 s when its host is gone, and the next run goes on."},
		{Name: "Revoked", hold: running(obeysOperator),
			Says: "A configuration may be disabled, enabled again and removed at any time."},
		{Name: "Several", hold: running(livesBesideItself),
			Says: "Configurations of one module touch nothing of each other, whatever becomes of one of them."},
		{Name: "Directory", hold: keepsToItsDirectory, moves: true,
			Says: "Run writes neither where it stands nor at home, but in its own directory."},
		{Name: "Secrets", hold: keepsSecrets,
			Says: "No secret of the settings shows in the log, in an error, in a test, in what is done or in what is measured."},
		{Name: "Test", hold: tests,
			Says: "A test has steps, decides each, leaves nothing behind, and ends when it is told to."},
		{Name: "Work", hold: describesWork,
			Says: "Actions and jobs have a title and help, and the host can check what actions are given."},
		{Name: "Act", hold: running(actsWhenAsked),
			Says: "An action or job comes to a result within its limit, its steps decided, and leaves nothing behind."},
		{Name: "ActEnds", hold: endsWhenTold,
			Says: "An action ends within 5 s of the end of its context, and a job of the end of its run, while nothing gets through."},
		{Name: "DryRun", hold: running(changesNothing),
			Says: "A dry run declares nothing and changes no file, and what has none refuses it."},
		{Name: "OneAtATime", hold: running(runsOneAtATime),
			Says: "Of one job there is one run at a time."},
		{Name: "Schedule", hold: running(isScheduled),
			Says: "A job says when it is due next, by a schedule of the grammar, which is every 10 s at the most."},
		{Name: "Metrics", hold: running(measures),
			Says: "What is measured has help and a name without the module's, is bounded and readable, and its counters only rise."},
	}
}
