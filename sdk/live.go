package sdk

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// lives are the runs under way, by configuration.
type lives[S any] struct {
	mu  sync.Mutex
	all map[string]*live[S]
}

func (ls *lives[S]) get(configuration string) *live[S] {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.all[configuration]
}

// sorted are all runs, by the names of their configurations.
func (ls *lives[S]) sorted() (out []*live[S]) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(ls.all)) {
		out = append(out, ls.all[name])
	}
	return out
}

// put notes a run, or with nil that there is none.
func (ls *lives[S]) put(configuration string, l *live[S]) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.all == nil {
		ls.all = map[string]*live[S]{}
	}
	if l == nil {
		delete(ls.all, configuration)
	} else {
		ls.all[configuration] = l
	}
}

// live is one run under way, with what is done beside it: its jobs, and actions.
type live[S any] struct {
	lives *lives[S]
	in    *Instance[S]
	jobs  []*job[S]
	ctx   context.Context // ends with the run
	stop  context.CancelFunc
	ready chan struct{} // closed when work may begin

	once sync.Once // ready
	mu   sync.Mutex
	over bool            // nothing may begin any more
	acts map[string]bool // under way, actions and jobs
	work sync.WaitGroup

	keeping sync.Mutex // while what came of the jobs is written
}

// live notes the run of in, and begins its jobs.
func (p plugin[S]) live(ctx context.Context, in *Instance[S]) *live[S] {
	l := &live[S]{lives: p.lives, in: in, ready: make(chan struct{}), acts: map[string]bool{}}
	l.ctx, l.stop = context.WithCancel(ctx)
	in.live = l
	l.jobs = newJobs(l, p.jobs())
	p.lives.put(in.Configuration, l)
	for _, j := range l.jobs {
		l.work.Go(func() { j.loop(l.ctx) })
	}
	return l
}

// readyAtLast is after how long work may begin where Run has neither declared anything nor returned.
const readyAtLast = 10 * time.Second

// begin lets work begin.
func (l *live[S]) begin() {
	if l != nil {
		l.once.Do(func() { close(l.ready) })
	}
}

// awaitReady returns when work may begin, or ctx ends.
func (l *live[S]) awaitReady(ctx context.Context) error {
	t := time.NewTimer(readyAtLast)
	defer t.Stop()
	select {
	case <-l.ready:
	case <-t.C:
		l.begin()
	case <-ctx.Done():
	}
	return ctx.Err()
}

// end ends what is done beside the run, and returns when it has ended.
func (l *live[S]) end() {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.stop()
	l.work.Wait()
	if l.lives.get(l.in.Configuration) == l {
		l.lives.put(l.in.Configuration, nil)
	}
}

// enter notes that an action or job is under way, unless it is or the run is over; leave is to be called after it.
func (l *live[S]) enter(what, name string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := what + " " + name
	if l.over || l.ctx.Err() != nil {
		return nil, notRunning(l.in.Configuration)
	}
	if l.acts[key] {
		return nil, underWay(what, name)
	}
	l.acts[key] = true
	l.work.Add(1)
	return func() {
		l.mu.Lock()
		delete(l.acts, key)
		l.mu.Unlock()
		l.work.Done()
	}, nil
}

func underWay(what, name string) error {
	return tunnel.Findings{{
		Code: tunnel.Exists, Field: what, Value: tunnel.Clean(name, 60),
		Message: what + " " + tunnel.Clean(name, 60) + " is under way already, and there is one at a time", WayOut: "wait for its end",
	}}
}

var errStopped = Failure("the configuration was stopped or changed meanwhile", "ask for it again")
