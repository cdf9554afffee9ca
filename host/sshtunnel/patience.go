package sshtunnel

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// How long an answer is waited for, by the path. A packet that is lost is sent again after TCP's own pause, then after
// twice that, and so on; whatever comes behind it waits. With a round trip of 600 ms and every twentieth packet lost in
// each direction a proof, which crosses the path five times, takes 3.4 s at the median, 6.3 s in one of a hundred cases and
// 8 s in one of a thousand.
const (
	minPatience = 8 * time.Second
	maxPatience = 14 * time.Second // sooner than a machine that is not heard counts as gone, however bad the path
	crossings   = 3                // round trips of a proof, at most
	pauses      = 1 + 2 + 4 + 8    // until the fourth repetition in a row, in pauses before the first
)

// Patience is how long to wait for an answer before its absence says something: 8 s, and on a path that is slow up to 14 s,
// so that what the path has lost four times in a row has been sent again. Engine and caller wait as long.
//
// Whoever puts a question asks several times: the path is measured anew where that was done a second ago.
func (l *Link) Patience() time.Duration {
	now := monotonic(time.Now())
	if known := l.patience.Load(); known > 0 && now-l.measured.Load() < int64(time.Second) {
		return time.Duration(known)
	}
	p := minPatience
	if info := l.sock.info(); info != nil {
		p = patienceOn(info)
	}
	l.patience.Store(int64(p))
	l.measured.Store(now)
	return p
}

// withPatience is ctx with an end after Patience: ctx itself where that ends by then, as it does for each question of the
// supervisor.
func (l *Link) withPatience(ctx context.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(l.Patience())
	if own, bounded := ctx.Deadline(); bounded && !own.After(end) {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end)
}

func patienceOn(i *unix.TCPInfo) time.Duration {
	return min(max(crossings*roundTrip(i)+pauses*firstPause(i), minPatience), maxPatience)
}

func roundTrip(i *unix.TCPInfo) time.Duration { return time.Duration(i.Rtt) * time.Microsecond }

// firstPause is how long the kernel waits for an acknowledgement before it repeats data for the first time.
func firstPause(i *unix.TCPInfo) time.Duration {
	return roundTrip(i) + max(time.Duration(4*i.Rttvar)*time.Microsecond, minRepeat)
}
