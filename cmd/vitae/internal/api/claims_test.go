package api

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// connecting is a request that connects a profile to an account.
func connecting(id ledger.ProfileID, provider, account, key string) call {
	return call{method: "PUT", path: "/v1/profiles/" + id.String() + "/connections/" + provider, key: key, body: fmt.Sprintf(`{"account":%q,"credential":"token"}`, account)}
}

// TestAnAccountIsOneProfiles: the second profile that names an account is told so, until the
// first lets go; nothing of its request is kept.
func TestAnAccountIsOneProfiles(t *testing.T) {
	for provider, another := range map[string]string{ledger.LinkedIn: ledger.PostPress, ledger.PostPress: ledger.LinkedIn, ledger.Jarvi: ledger.LinkedIn} {
		t.Run(provider, func(t *testing.T) {
			w := newWorld(t, Config{})
			w.srv.Directory = everybody{w}
			first, second := w.person(jane), w.person(jane)
			mine, other := w.key(first, keys.ProfileRead|keys.ProfileWrite), w.key(second, keys.ProfileRead|keys.ProfileWrite)
			w.must(200, connecting(first, provider, "acc1", mine))
			head := w.com.Head()
			for _, c := range []call{connecting(second, provider, "acc1", other), connecting(second, provider, "acc1", adminText), connecting(second, provider, first.String(), other)} {
				a := w.must(409, c)
				if v := a.json(t); v["code"] != "account_taken" || strings.Contains(a.body, "acc1") || strings.Contains(a.body, first.String()) {
					t.Errorf("%s", a.body)
				}
				dry := c
				dry.path += "?dryRun=true"
				w.must(409, dry)
			}
			if _, err := w.vault.Secret(t.Context(), second, credentialName(provider)); err == nil || w.com.Head() != head {
				t.Errorf("the request that was refused has left something: %v", err)
			}
			// Who has it may set it again, and another provider's account of the name is another.
			w.must(200, connecting(first, provider, "acc1", mine))
			w.must(200, connecting(second, another, "acc1", other))
			w.must(200, call{method: "DELETE", path: "/v1/profiles/" + first.String() + "/connections/" + provider, key: mine})
			w.must(200, connecting(second, provider, "acc1", other))
			w.must(409, connecting(first, provider, "acc1", mine))
			w.must(200, connecting(first, provider, first.String(), mine)) // his own id
		})
	}
}

// TestAccountsWithoutNames: where the credential says whose the account is, no name is looked at.
func TestAccountsWithoutNames(t *testing.T) {
	w := newWorld(t, Config{})
	w.srv.Directory = everybody{w}
	for _, provider := range []string{ledger.Mokaru, ledger.Nexudus} {
		for range 2 {
			w.must(200, connecting(w.person(jane), provider, "acc1", adminText))
		}
	}
}

// TestTwoConnectAtOnce: of many that want one account at the same time one gets it.
func TestTwoConnectAtOnce(t *testing.T) {
	w := newWorld(t, Config{})
	w.srv.Directory = everybody{w}
	ids := make([]ledger.ProfileID, 8)
	for i := range ids {
		ids[i] = w.person(jane)
	}
	var wg sync.WaitGroup
	status := make([]int, len(ids))
	for i, id := range ids {
		wg.Go(func() { status[i] = w.do(connecting(id, ledger.LinkedIn, "acc1", adminText)).status })
	}
	wg.Wait()
	got := map[int]int{}
	for _, s := range status {
		got[s]++
	}
	if got[200] != 1 || got[409] != len(ids)-1 {
		t.Errorf("%v", got)
	}
	// One whose outcome is unknown keeps the name: it may be there yet.
	w.submit = func(_ context.Context, req ledger.Request) (ledger.Reply, error) {
		if req.DryRun {
			return ledger.Reply{}, nil
		}
		return ledger.Reply{}, ledger.ErrUnknown
	}
	w.must(504, connecting(ids[0], ledger.LinkedIn, "acc2", adminText))
	w.submit = nil
	if a := w.must(409, connecting(ids[1], ledger.LinkedIn, "acc2", adminText)); a.json(t)["code"] != "busy" || a.header.Get("Retry-After") == "" {
		t.Errorf("%s", a.body)
	}
	w.clock.add(abandoned)
	w.must(200, connecting(ids[1], ledger.LinkedIn, "acc2", adminText))
}
