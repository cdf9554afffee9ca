package wire

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// ErrNoWork says that a module has neither actions nor jobs.
var ErrNoWork = errors.New("the module has neither actions nor jobs")

// ErrBroken says that what came from a module is not what the contract lets it say.
var ErrBroken = errors.New("the module breaks the rules")

func broken(what string) error { return fmt.Errorf("%w: %s", ErrBroken, what) }

// Act has the module do an action, or a job now, for one configuration that runs, and hands over what it reports as it
// comes: bounded and escaped, but by no other rule. It returns what came of it, fit to show; report's error where that is
// one; ErrBroken where what it says is too much, or nothing; ErrGone where the process ended. When ctx ends it returns at
// once.
func (m *Module) Act(ctx context.Context, a Act, report func(tunnel.ActReport) error) (tunnel.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := m.rpc.Act(ctx, &pluginv1.ActRequest{
		Configuration: a.Configuration, Action: a.Action, Job: a.Job, Arguments: a.Arguments, DryRun: a.DryRun, By: a.By,
	})
	if err != nil {
		return tunnel.Result{}, err
	}
	var result *tunnel.Result
	for {
		res, err := s.Recv()
		if errors.Is(err, io.EOF) && result != nil {
			return *result, nil
		}
		if err != nil {
			return tunnel.Result{}, actEnd(ctx, err)
		}
		if result != nil {
			return tunnel.Result{}, broken("it went on after its result")
		}
		if result, err = take(res, report); err != nil {
			return tunnel.Result{}, err
		}
	}
}

// actEnd is why an action ended without a result.
func actEnd(ctx context.Context, err error) error {
	if errors.Is(err, io.EOF) {
		return broken("it ended without a result")
	}
	err = decode(err)
	var fs tunnel.Findings
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() == nil:
		return ErrGone // go-plugin drops the connection of a process that ended
	case errors.As(err, &fs) && fs.Error() == tooLarge.Error():
		return broken(fs[0].Message)
	}
	return err
}

// take takes one message of an action under way. The last holds the result.
func take(res *pluginv1.ActResponse, report func(tunnel.ActReport) error) (*tunnel.Result, error) {
	if fs := bounds(res); len(fs) > 0 {
		return nil, broken(fs[0].Field + ": " + fs[0].Message)
	}
	switch {
	case res.GetResult() != nil:
		r := resultOf(res.GetResult())
		return &r, nil
	case res.GetStep() != nil:
		s := res.GetStep()
		return nil, report(tunnel.ActReport{Step: &tunnel.TestStep{
			Name: clean(s.GetName()), Outcome: tunnel.Outcome(clean(s.GetOutcome())), Message: clean(s.GetMessage()), Remedy: clean(s.GetRemedy()),
		}})
	case res.GetProgress() != nil:
		p := progressOf(res.GetProgress())
		return nil, report(tunnel.ActReport{Progress: &p})
	}
	return nil, broken("it reports nothing")
}

// Act does the plugin's action or job. A panic in it is the plugin's to catch.
func (s *pluginServer) Act(req *pluginv1.ActRequest, out grpc.ServerStreamingServer[pluginv1.ActResponse]) error {
	a, ok := s.plugin.(Actor)
	if !ok {
		return encode(ErrNoWork)
	}
	r, err := a.Act(out.Context(), Act{
		Configuration: req.GetConfiguration(), Action: req.GetAction(), Job: req.GetJob(),
		Arguments: req.GetArguments(), DryRun: req.GetDryRun(), By: req.GetBy(),
	}, func(r tunnel.ActReport) {
		_ = out.Send(reportTo(r)) // a host that is gone ends the context
	})
	if err != nil {
		return encode(err)
	}
	return out.Send(&pluginv1.ActResponse{Result: resultTo(r)})
}

func reportTo(r tunnel.ActReport) *pluginv1.ActResponse {
	m := &pluginv1.ActResponse{}
	if s := r.Step; s != nil {
		m.Step = &pluginv1.Step{Name: cut(s.Name, MaxText), Outcome: string(s.Outcome), Message: cut(s.Message, MaxText), Remedy: cut(s.Remedy, MaxText)}
	}
	if p := r.Progress; p != nil {
		m.Progress = progressTo(*p)
	}
	return m
}

func progressTo(p tunnel.Progress) *pluginv1.Progress {
	return &pluginv1.Progress{Done: p.Done, Of: p.Of, Text: cut(p.Text, MaxText)}
}

func progressOf(m *pluginv1.Progress) tunnel.Progress {
	return tunnel.Progress{Done: m.GetDone(), Of: m.GetOf(), Text: m.GetText()}.Shown()
}

func resultTo(r tunnel.Result) *pluginv1.Result {
	return &pluginv1.Result{
		Outcome: r.Outcome, Message: cut(r.Message, MaxText), Remedy: cut(r.Remedy, MaxText), More: int64(r.More),
		Counts:  each(r.Counts, func(c tunnel.Count) *pluginv1.Count { return &pluginv1.Count{Name: c.Name, N: c.N} }),
		Columns: r.Columns,
		Rows:    each(r.Rows, func(row []string) *pluginv1.Row { return &pluginv1.Row{Cells: row} }),
	}
}

func resultOf(m *pluginv1.Result) tunnel.Result {
	return tunnel.Result{
		Outcome: m.GetOutcome(), Message: m.GetMessage(), Remedy: m.GetRemedy(), More: int(m.GetMore()),
		Counts:  each(m.GetCounts(), func(c *pluginv1.Count) tunnel.Count { return tunnel.Count{Name: c.GetName(), N: c.GetN()} }),
		Columns: m.GetColumns(),
		Rows:    each(m.GetRows(), (*pluginv1.Row).GetCells),
	}.Shown()
}

// Jobs asks how the jobs of a configuration that runs are. What is said is fit to show.
func (m *Module) Jobs(ctx context.Context, configuration string) ([]tunnel.JobStatus, error) {
	res, err := m.rpc.Jobs(ctx, &pluginv1.JobsRequest{Configuration: configuration})
	if err != nil {
		return nil, err
	}
	if fs := bounds(res); len(fs) > 0 {
		return nil, fs.In("jobs")
	}
	if n := len(res.GetJobs()); n > tunnel.MaxJobs {
		return nil, fmt.Errorf("the module speaks of %d jobs, more than %d", n, tunnel.MaxJobs)
	}
	return each(res.GetJobs(), jobOf), nil
}

func (s *pluginServer) Jobs(_ context.Context, req *pluginv1.JobsRequest) (*pluginv1.JobsResponse, error) {
	a, ok := s.plugin.(Actor)
	if !ok {
		return nil, encode(ErrNoWork)
	}
	jobs, err := a.Jobs(req.GetConfiguration())
	return &pluginv1.JobsResponse{Jobs: each(jobs, jobTo)}, encode(err)
}

func jobTo(j tunnel.JobStatus) *pluginv1.JobStatus {
	m := &pluginv1.JobStatus{
		Name: j.Name, Schedule: j.Schedule, Next: timeTo(j.Next), Progress: progressTo(j.Progress), Runs: each(j.Runs, jobRunTo),
		LastSuccess: timeTo(j.LastSuccess), Skipped: j.Skipped,
	}
	if j.Running != nil {
		m.Running = jobRunTo(*j.Running)
	}
	return m
}

func jobOf(m *pluginv1.JobStatus) tunnel.JobStatus {
	j := tunnel.JobStatus{
		Name: m.GetName(), Schedule: m.GetSchedule(), Next: timeOf(m.GetNext()), Progress: progressOf(m.GetProgress()), Runs: each(m.GetRuns(), jobRunOf),
		LastSuccess: timeOf(m.GetLastSuccess()), Skipped: m.GetSkipped(),
	}
	if m.GetRunning() != nil {
		r := jobRunOf(m.GetRunning())
		j.Running = &r
	}
	return j.Shown()
}

func jobRunTo(r tunnel.JobRun) *pluginv1.JobRun {
	m := &pluginv1.JobRun{Began: timeTo(r.Began), Ended: timeTo(r.Ended), By: cut(r.By, MaxText), DryRun: r.DryRun}
	if r.Result.Outcome != "" {
		m.Result = resultTo(r.Result.Summary())
	}
	return m
}

func jobRunOf(m *pluginv1.JobRun) tunnel.JobRun {
	r := tunnel.JobRun{Began: timeOf(m.GetBegan()), Ended: timeOf(m.GetEnded()), By: m.GetBy(), DryRun: m.GetDryRun()}
	if m.GetResult() != nil {
		r.Result = resultOf(m.GetResult())
	}
	return r
}
