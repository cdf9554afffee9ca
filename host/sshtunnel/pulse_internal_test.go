package sshtunnel

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestJudge(t *testing.T) {
	const (
		answers, doubted, mute = PeerAnswers, PeerDoubted, PeerSilent
		slow                   = 600 // ms round trip
	)
	tests := map[string]struct {
		was                       Peer
		ack, data                 uint32 // ms ago
		probes, repeated, unacked uint8
		rtt, rttvar               uint32 // ms
		want                      Peer
	}{
		"just heard":                             {answers, 0, 9000, 0, 0, 0, 1, 0, answers},
		"data alone is a sign":                   {answers, 9000, 10, 0, 0, 3, 1, 0, answers},
		"idle, probe under way":                  {answers, 4200, 4200, 1, 0, 0, 1, 0, answers},
		"probe unanswered":                       {answers, 5010, 8000, 1, 0, 0, 1, 0, doubted},
		"probe unanswered, far away":             {answers, 5010, 8000, 1, 0, 0, slow, 100, answers},
		"probe unanswered for long, far away":    {answers, 5400, 8000, 1, 0, 0, slow, 100, doubted},
		"unsteady path":                          {answers, 6900, 8000, 1, 0, 0, 1500, 1000, answers},
		"no path is so slow":                     {answers, 7100, 8000, 1, 0, 0, 9000, 3000, doubted},
		"second probe":                           {doubted, 7000, 8000, 2, 0, 0, 1, 0, doubted},
		"enough probes, not enough time":         {doubted, 9900, 12000, 6, 0, 0, 1, 0, doubted},
		"enough of both":                         {doubted, 10000, 12000, 6, 0, 0, 1, 0, mute},
		"never looked before":                    {answers, 10000, 12000, 3, 0, 0, 1, 0, mute},
		"the machine slept":                      {answers, 90000, 90000, 0, 0, 0, 1, 0, answers},
		"the machine slept and asks":             {answers, 90000, 90000, 1, 0, 0, 1, 0, doubted},
		"the peer's program does not read":       {answers, 60000, 60000, 0, 0, 0, 1, 0, answers},
		"it does not read, nor does its machine": {doubted, 60000, 60000, 3, 0, 0, 1, 0, mute},
		"count of probes began anew":             {mute, 800000, 800000, 0, 0, 0, 1, 0, mute},
		"the same in doubt":                      {doubted, 6000, 8000, 0, 0, 0, 1, 0, doubted},
		"heard again":                            {mute, 20, 90000, 0, 0, 0, 1, 0, answers},
		"heard again, doubted":                   {doubted, 20, 90000, 0, 0, 0, 1, 0, answers},
		"data unacknowledged":                    {answers, 5100, 9000, 0, 2, 4, 1, 0, doubted},
		"data unacknowledged for long":           {doubted, 10000, 12000, 0, 5, 4, 1, 0, mute},
		"data repeated too rarely to tell":       {doubted, 12000, 12000, 0, 2, 4, slow, 100, doubted},
		"data unacknowledged for too long":       {doubted, 15000, 15000, 0, 2, 4, slow, 100, mute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			i := &unix.TCPInfo{
				Last_ack_recv: test.ack, Last_data_recv: test.data, Probes: test.probes, Retransmits: test.repeated,
				Unacked: uint32(test.unacked), Rtt: 1000 * test.rtt, Rttvar: 1000 * test.rttvar,
			}
			if got := judge(test.was, i); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// A path that is dead towards the peer alone: what the peer repeats is heard, what we sent is never acknowledged. It is
// the time that our own data has waited that tells, by the kernel's pauses of 0.2 s, doubling up to 3 s.
func TestJudgeOfADeadDirection(t *testing.T) {
	for name, test := range map[string]struct {
		repeated uint8
		sent     uint32 // ms ago
		unacked  uint32
		rto      uint32 // ms
		want     Peer
	}{
		"6 s and 3.7 s more":     {5, 3700, 1, 3000, PeerAnswers},
		"6 s and 4.1 s more":     {5, 4100, 1, 3000, PeerSilent},
		"9 s and 1.1 s more":     {6, 1100, 1, 3000, PeerSilent},
		"repeated too few times": {4, 30000, 1, 3000, PeerAnswers},
		"acknowledged":           {7, 3000, 0, 3000, PeerAnswers},
	} {
		t.Run(name, func(t *testing.T) {
			i := &unix.TCPInfo{Last_ack_recv: 900, Last_data_recv: 900, Rtt: 1000, Rttvar: 500,
				Retransmits: test.repeated, Last_data_sent: test.sent, Unacked: test.unacked, Rto: 1000 * test.rto}
			for _, was := range []Peer{PeerAnswers, PeerSilent} {
				if got := judge(was, i); got != test.want {
					t.Errorf("got %d, want %d", got, test.want)
				}
			}
		})
	}
}

// TestIdleLinkIsLookedAtRarely: a thousand of them are looked at three hundred times a second at most.
func TestIdleLinkIsLookedAtRarely(t *testing.T) {
	i := &unix.TCPInfo{Last_ack_recv: 900, Last_data_recv: 9000, Rtt: 1000}
	if wait := nextLook(PeerAnswers, i); wait < 4*time.Second || wait > 5*time.Second {
		t.Errorf("looked at after %v", wait)
	}
	i.Last_ack_recv = 4900
	if wait := nextLook(PeerAnswers, i); wait != lookEvery {
		t.Errorf("looked at after %v", wait)
	}
}

// TestIdleLinksAreLookedAtTogether: soon after each is due, at the same moments.
func TestIdleLinksAreLookedAtTogether(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, pause := range []time.Duration{time.Second, 4*time.Second + 7, 5*time.Second - 1} {
		got := onBeat(now, pause)
		if late := got - pause; late <= 0 || late > lookBeat || now.Add(got).UnixNano()%int64(lookBeat) != 0 {
			t.Errorf("a pause of %v becomes one of %v", pause, got)
		}
	}
}

// BenchmarkLook is what one look at a link costs; an idle one is looked at every four seconds.
func BenchmarkLook(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	s, err := newSocket(c.(*net.TCPConn))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	s.pulse.begin()
	for b.Loop() {
		s.pulse.look()
	}
}

// A path that is fast repeats what it has lost soon enough; on one that is slow, or unsteady, that takes longer.
func TestPatience(t *testing.T) {
	for name, test := range map[string]struct {
		rtt, rttvar time.Duration
		want        time.Duration
	}{
		"beside it":       {time.Millisecond, 0, 8 * time.Second},
		"across a sea":    {150 * time.Millisecond, 20 * time.Millisecond, 8 * time.Second},
		"round the world": {300 * time.Millisecond, 20 * time.Millisecond, 8400 * time.Millisecond},
		"unsteady":        {300 * time.Millisecond, 75 * time.Millisecond, 9900 * time.Millisecond},
		"by satellite":    {600 * time.Millisecond, 15 * time.Millisecond, 13800 * time.Millisecond},
		"no path":         {9 * time.Second, 3 * time.Second, 14 * time.Second},
	} {
		i := &unix.TCPInfo{Rtt: uint32(test.rtt.Microseconds()), Rttvar: uint32(test.rttvar.Microseconds())}
		if got := patienceOn(i); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestOnlyTheTimeOfAPeerThatAnswersCounts against a request: none while it is silent, and afterwards from then on.
func TestOnlyTheTimeOfAPeerThatAnswersCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := time.Now()
		p := newPulse(nil)
		turns := func(to Peer) { p.peer, p.changed = to, time.Now() }
		expect := func(want time.Duration) {
			t.Helper()
			if got := p.answering(asked); got != want {
				t.Errorf("%v after the question it counts %v, not %v", time.Since(asked), got, want)
			}
		}
		time.Sleep(3 * time.Minute)
		expect(3 * time.Minute)
		turns(PeerDoubted)
		time.Sleep(time.Second)
		expect(0)
		turns(PeerSilent)
		time.Sleep(time.Hour)
		expect(0)
		turns(PeerAnswers)
		time.Sleep(9 * time.Minute)
		expect(9 * time.Minute)
		asked = time.Now()
		time.Sleep(time.Minute)
		expect(time.Minute)
	})
}
