package sdktest_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
)

// hourly asks the directory every hour.
func hourly(ctx context.Context, in *sdk.Instance[settings]) error {
	for {
		short, cancel := context.WithTimeout(ctx, time.Minute)
		answer, err := ask(short, in, in.Settings.Site.Mapping(ldap))
		cancel()
		in.Log.Info("asked", "answer", strings.TrimSpace(answer), "error", err)
		select {
		case <-time.After(time.Hour):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// In synctest.Test time passes only while everything waits, and then at once: a day takes milliseconds, and is exact.
//
// Make the world in the bubble, so that its goroutines and the module's are in it. synctest.Wait returns when the module
// has done all it does without time passing; time.Sleep lets it pass. A module that waits for something real in there, such
// as a socket of its own, holds time up: test it without the bubble.
func TestADayInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, asking(hourly), withSite)
		w.Serve("site/ldap", func(c net.Conn) { greet(c) })
		time.Sleep(12*time.Hour - time.Second)
		w.Fault("site", sdktest.Cut) // before the 13th time
		time.Sleep(6 * time.Hour)
		w.Heal("site")
		time.Sleep(6 * time.Hour)
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
		if asked := strings.Count(w.Log(), `answer="hello adsync"`); asked != 12+6 {
			t.Errorf("the directory answered %d times:\n%s", asked, w.Log())
		}
	})
}
