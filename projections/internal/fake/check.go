package fake

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"vitae/ledger"
)

// Diff says how two states differ; "" when they do not. Empty and nil maps are the same.
func Diff(want, got *ledger.Profile) string {
	if reflect.DeepEqual(want, got) {
		return "" // cmp is a hundred times slower
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}

// CheckStates fails unless get gives, for every profile, the clean fold of the ledger up
// to seq.
func CheckStates(tb testing.TB, all []ledger.Record, seq ledger.Seq, ids []ledger.ProfileID,
	get func(context.Context, ledger.ProfileID) (*ledger.Profile, error)) {
	tb.Helper()
	want := Fold(all, seq)
	for _, id := range ids {
		got, err := get(context.Background(), id)
		switch {
		case want[id] == nil && errors.Is(err, ledger.ErrNotFound):
		case err != nil:
			tb.Fatalf("at %d: %v", seq, err)
		case want[id] == nil:
			tb.Fatalf("at %d: profile %s is there before its first commit", seq, id)
		default:
			if d := Diff(want[id], got); d != "" {
				tb.Fatalf("at %d, profile %s (-fold +projection):\n%s", seq, id, d)
			}
		}
	}
}
