package sdktest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/schedule"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// The rules of what is done when it is asked for, or due.

// work is an action or a job.
type work struct {
	wire.Act
	title, help string
	limit       time.Duration
	dryRun      bool
}

func (k work) String() string {
	if k.Job != "" {
		return "job " + k.Job
	}
	return "action " + k.Action
}

// works are all actions and jobs, each with arguments that fit.
func works(d tunnel.Description) (all []work) {
	for _, a := range d.Actions {
		all = append(all, work{wire.Act{Action: a.Name, Arguments: exampleArguments(a.Arguments)}, a.Title, a.Help, a.Limit(), a.DryRun})
	}
	for _, j := range d.Jobs {
		all = append(all, work{wire.Act{Job: j.Name}, j.Title, j.Help, j.Limit(), j.DryRun})
	}
	return all
}

func exampleArguments(schema json.RawMessage) json.RawMessage {
	var root field
	if json.Unmarshal(schema, &root) != nil {
		return nil
	}
	doc, _ := json.Marshal(root.object("", false))
	return doc
}

const noWork = "the module has neither actions nor jobs"

// describesWork: an operator reads what there is to ask for, and the host checks what is given.
func describesWork(b *bench, s subject) (j judgement) {
	b.Helper()
	d, err := s.describe(b)
	if err != nil {
		return notJudged("%v", err)
	}
	all := works(d)
	if len(all) == 0 {
		return notApplicable(noWork)
	}
	for _, k := range all {
		b.where = fmt.Sprintf("%s of %s", k, d.Name)
		if strings.TrimSpace(k.title) == "" || strings.TrimSpace(k.help) == "" {
			b.fail("say in Title what it is called, and in Help what it does, in a line", "%s has no title or no help", k)
		}
	}
	for _, a := range d.Actions {
		b.where = fmt.Sprintf("the arguments of action %s of %s", a.Name, d.Name)
		if err := settings.CheckSchema(a.Arguments); err != nil {
			b.fail("let the SDK derive it from the struct of the arguments", "the schema of the arguments is not sound: %v", err)
		} else if fs := settings.Check(a.Arguments, exampleArguments(a.Arguments)); len(fs) > 0 {
			return notJudged("no arguments of action %s could be made: %v", a.Name, fs)
		}
	}
	return j
}

// actsWhenAsked: whatever is asked for comes to a result, within its limit.
func actsWhenAsked(tr *trial) judgement {
	return tr.eachWork(func(k work) (j judgement) {
		got := tr.ask(tr.Context(), k, false)
		if got.late {
			tr.fail("use the context that the work is given, and return soon after it has ended", "%s: %s%s", k, strings.Join(got.wrong, "; "), at(got.stack))
			return j
		}
		for _, wrong := range got.wrong {
			tr.fail("let Steps.Do decide every step, and report nothing that cannot be shown", "%s: %s", k, wrong)
		}
		if got.goroutines != "" {
			tr.fail("end what the work begins before it returns", "%s came to its end and left goroutines behind:\n%s", k, got.goroutines)
		}
		return tr.refused(k, got)
	})
}

// refused judges why a work was not done at all.
func (tr *trial) refused(k work, got acting) (j judgement) {
	tr.Helper()
	switch {
	case got.err == nil, errors.Is(got.err, context.DeadlineExceeded), errors.Is(got.err, context.Canceled):
	case errors.Is(got.err, tunnel.ErrExists):
		return notJudged("%s is under way whenever it is asked for", k)
	default:
		tr.fail("do what the description offers", "%s is refused: %v", k, got.err)
	}
	return j
}

// eachWork judges every action and job, and says what of it could be.
func (tr *trial) eachWork(judge func(work) judgement) (j judgement) {
	tr.Helper()
	all := works(tr.w.said)
	if len(all) == 0 {
		return notApplicable(noWork)
	}
	for _, k := range all {
		if a, _ := tr.w.said.Action(k.Action); settings.CheckSchema(a.Arguments) != nil {
			return notJudged("the arguments of %s cannot be checked: see rule Work", k)
		}
		tr.idle(k)
		if got := judge(k); got.verdict != judged {
			j = got
		}
	}
	return j
}

// patience is how long a work is waited for where time is real.
const patience = 10 * time.Second

// ask has the module do the work.
func (tr *trial) ask(ctx context.Context, k work, dryRun bool) acting {
	if !tr.s.virtual {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	return tr.c.act(ctx, k.Act, Ask{DryRun: dryRun}, k.limit)
}

// idle waits until a job is not under way, which it may be by its schedule.
func (tr *trial) idle(k work) {
	if k.Job != "" {
		tr.until(func() bool { s, ok := tr.job(k.Job); return !ok || s.Running == nil })
	}
}

// job is how a job is.
func (tr *trial) job(name string) (tunnel.JobStatus, bool) {
	all, _ := whenItRuns(tr.Context(), func() ([]tunnel.JobStatus, error) { return tr.o.Jobs(tr.c.ref.Name) })
	i := slices.IndexFunc(all, func(s tunnel.JobStatus) bool { return s.Name == name })
	if i < 0 {
		return tunnel.JobStatus{}, false
	}
	return all[i], true
}

// endsWhenTold: an action ends with the context of who asked, and a job with its run, while nothing gets through.
func endsWhenTold(b *bench, s subject) (j judgement) {
	b.Helper()
	d, err := s.describe(b)
	if err != nil {
		return notJudged("%v", err)
	}
	all, held := works(d), 0
	if len(all) == 0 {
		return notApplicable(noWork)
	}
	if j, ok := s.endsAtAll(b); !ok {
		return j
	}
	for _, k := range all {
		tr, j := s.prepare(b)
		if tr == nil {
			return j
		}
		if j, ok := tr.begin(); !ok {
			return j
		}
		tr.idle(k)
		tr.fault(Freeze)
		if tr.endsWork(k) {
			held++
		}
	}
	if held == 0 {
		return notApplicable("each action and job comes to its end at once, also while nothing gets through")
	}
	return j
}

// endsWork has a work end, and reports whether it was under way then.
func (tr *trial) endsWork(k work) (held bool) {
	tr.Helper()
	const hint = "use the context that the work is given in every wait, and return soon after it has ended"
	ctx, cancel := context.WithCancel(tr.Context())
	defer cancel()
	done := make(chan acting, 1)
	go func() { done <- tr.c.act(ctx, k.Act, Ask{}, k.limit) }()
	tr.settle()
	select {
	case <-done:
		tr.c.stop()
		return false
	default:
	}
	if k.Job == "" {
		cancel()
		if got := <-done; got.late {
			tr.fail(hint, "%s has not ended %v after its context ended%s", k, Grace, at(got.stack))
		}
		tr.c.stop()
		return true
	}
	if e := tr.c.stop(); e.late {
		tr.fail(hint, "%s has not ended %v after the configuration was stopped%s", k, e.grace, at(e.stands))
	}
	cancel()
	<-done
	return true
}

// changesNothing: a dry run declares nothing and leaves no file; what has none refuses one.
func changesNothing(tr *trial) judgement {
	dry := 0
	j := tr.eachWork(func(k work) (j judgement) {
		if !k.dryRun {
			if _, err := tr.o.Act(tr.Context(), tr.named(k.Act), func(tunnel.ActReport) {}); err == nil {
				tr.fail("refuse what is not said to be possible, or say DryRun", "%s has no dry run, and does one", k)
			}
			return j
		}
		dry++
		set, files := tr.declared(), contents(tr.c.dir)
		if got := tr.ask(tr.Context(), k, true); got.late || got.err != nil {
			return tr.refused(k, got)
		}
		const hint = "while Call.DryRun is set, say what would change and change nothing"
		if gone := tr.withdrawn(set); len(gone) > 0 || len(tr.declared()) != len(set) {
			tr.fail(hint, "a dry run of %s changed what is declared: from %v to %v", k, set, tr.declared())
		}
		if now := contents(tr.c.dir); !maps.Equal(files, now) {
			tr.fail(hint, "a dry run of %s changed files of the configuration: %v", k, differing(files, now))
		}
		return j
	})
	if j.verdict == judged && dry == 0 {
		return notApplicable("no action or job has a dry run")
	}
	return j
}

// named is a dry run of what is asked for in this configuration.
func (tr *trial) named(a wire.Act) wire.Act {
	a.Configuration, a.DryRun, a.By = tr.c.ref.Name, true, operator
	return a
}

// jobsKept begins the names of the files in which the SDK keeps what came of jobs.
const jobsKept = ".jobs.json"

// contents are the files of a directory with what they hold, without what the SDK keeps there of the jobs.
func contents(dir string) map[string][32]byte {
	all := map[string][32]byte{}
	for _, path := range filesIn(dir) {
		if strings.HasPrefix(path, jobsKept) {
			continue
		}
		text, _ := os.ReadFile(filepath.Join(dir, path))
		all[path] = sha256.Sum256(text)
	}
	return all
}

func differing(a, b map[string][32]byte) (paths []string) {
	for path := range b {
		if a[path] != b[path] {
			paths = append(paths, path)
		}
	}
	for path := range a {
		if _, there := b[path]; !there {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// runsOneAtATime: while a job runs, another run of it is refused.
func runsOneAtATime(tr *trial) (j judgement) {
	if len(tr.w.said.Jobs) == 0 {
		return notApplicable("the module has no jobs")
	}
	held := 0
	for _, k := range works(tr.w.said) {
		if k.Job == "" {
			continue
		}
		tr.idle(k)
		tr.fault(Freeze)
		ctx, cancel := context.WithCancel(tr.Context())
		var asking sync.WaitGroup
		asking.Go(func() { tr.c.act(ctx, k.Act, Ask{}, k.limit) })
		tr.settle()
		if s, ok := tr.job(k.Job); ok && s.Running != nil {
			held++
			short, end := context.WithTimeout(tr.Context(), tr.s.quiet)
			if got := tr.c.act(short, k.Act, Ask{}, k.limit); !errors.Is(got.err, tunnel.ErrExists) {
				tr.fail("refuse a run while one is under way, with tunnel.ErrExists", "%s is begun again while it runs: %+v, %v", k, got.Result, got.err)
			}
			end()
		}
		cancel()
		asking.Wait()
		tr.heal()
	}
	if held == 0 {
		return notApplicable("each job comes to its end at once, also while nothing gets through")
	}
	return j
}

// isScheduled: what the host shows of a job is true: a schedule that there is, and when it is due next.
func isScheduled(tr *trial) (j judgement) {
	tr.Helper()
	if len(tr.w.said.Jobs) == 0 {
		return notApplicable("the module has no jobs")
	}
	const hint = "take the schedule from an sdk.Schedule in the settings, with the tag min where it is not to be shorter"
	for _, d := range tr.w.said.Jobs {
		s, there := tr.job(d.Name)
		if !there {
			tr.fail("list the same jobs in every run", "job %s is described, and the run does not know it", d.Name)
			continue
		}
		due, err := schedule.Parse(s.Schedule)
		switch {
		case err != nil:
			tr.fail(hint, "job %s has the schedule %q: %v", d.Name, tunnel.Clean(s.Schedule, 40), err)
		case due.Off() != s.Next.IsZero() && s.Running == nil:
			tr.fail("say when the job is due next, and nothing where it never is", "job %s of the schedule %s is due at %v", d.Name, s.Schedule, s.Next)
		case len(s.Runs) > tunnel.MaxJobRuns:
			tr.fail("keep the last ones", "job %s shows %d runs, more than %d", d.Name, len(s.Runs), tunnel.MaxJobRuns)
		}
	}
	return j
}

// measures: what is measured is bounded, readable, and under the module's own name.
func measures(tr *trial) (j judgement) {
	tr.Helper()
	before := tr.o.Metrics()
	switch can := tr.w.said.Can(tunnel.CapabilityMetrics); {
	case !can && len(before) == 0:
		return notApplicable("the module measures nothing")
	case !can:
		tr.fail("let the SDK find it: implement sdk.Measurer", "the module measures something and its description does not say so")
		return j
	case len(before) == 0:
		return notJudged("the module measures nothing with the settings %s", tr.settings())
	}
	for _, k := range works(tr.w.said) {
		tr.idle(k)
		tr.ask(tr.Context(), k, false)
	}
	tr.settle()
	after := tr.o.Metrics()
	for _, all := range [][]tunnel.MetricValues{before, after} {
		if err := tunnel.CheckMetrics(all); err != nil {
			tr.fail("the message says what is allowed; labels are for what there are few of", "what it measures breaks the rules: %v", err)
			return j
		}
	}
	for _, m := range after {
		own := strings.TrimSuffix(seenAs(tr.c.ref.Module, ""), "_")
		if strings.HasPrefix(m.Name, "culvert_") || strings.HasPrefix(m.Name, strings.TrimPrefix(own, "culvert_")+"_") {
			tr.fail("leave the prefix out: the metric is seen as "+own+"_NAME", "metric %s begins with what the host puts before it", m.Name)
		}
	}
	if fell := fallen(before, after); fell != "" {
		tr.fail("use a Gauge for what falls", "counter %s fell while the module ran", fell)
	}
	return j
}

// fallen is a counter that is less than it was.
func fallen(before, after []tunnel.MetricValues) string {
	was := map[string]float64{}
	for _, m := range before {
		for _, s := range m.Series {
			was[seriesName(m, s)] = s.Value
		}
	}
	for _, m := range after {
		for _, s := range m.Series {
			if m.Kind == tunnel.Counter && s.Value < was[seriesName(m, s)] {
				return seriesName(m, s)
			}
		}
	}
	return ""
}

func seriesName(m tunnel.MetricValues, s tunnel.Series) string {
	return fmt.Sprintf("%s{%s %s}", m.Name, s.Configuration, strings.Join(s.Values, ","))
}
