package bench

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"vitae/ledger/proof"
)

// evidenceCommits is how many commits the exported profiles have, their creation included.
const evidenceCommits = 1000

// evidence measures the export of a profile of a thousand commits of five events, which lie
// between those of fifteen others, and its verification.
func (r *run) evidence(call func(method, path, profile string, body []byte) ([]byte, error), create func() (string, error)) error {
	ids := make([]string, 16)
	err := parallel(len(ids), func(w int) (err error) {
		if ids[w], err = create(); err != nil {
			return err
		}
		for i := 1; i < evidenceCommits; i++ {
			body := fmt.Appendf(nil, `{"phone":"+33 %d","jobTitle":"Designer %[1]d","headline":"Take %[1]d","summary":"Founder. Author. Builder. %[1]d","employer":"ACME %[1]d"}`, i)
			if _, err := call(http.MethodPatch, "/v1/profile", ids[w], body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	key, err := call(http.MethodGet, "/log/key", "", nil)
	if err != nil {
		return err
	}
	var bundle []byte
	export := func(*rand.Rand) (err error) {
		bundle, err = call(http.MethodGet, "/v1/profiles/"+ids[0]+"/evidence", "", nil)
		return err
	}
	if err := export(nil); err != nil { // this one waits for the log's next checkpoint
		return err
	}
	took, err := timed(20, export)
	if err != nil {
		return err
	}
	if err := r.add(Row{What: fmt.Sprintf("evidence of %d commits with all values, export over HTTP, p50 (%s MB)", evidenceCommits, format(float64(len(bundle))/1e6)),
		Value: percentile(took, 0.5), Unit: "ms"}); err != nil {
		return err
	}
	took, err = timed(20, func(*rand.Rand) error {
		v := proof.VerifyEvidence(bundle, strings.TrimSpace(string(key)))
		if !v.OK() || v.Bundle.Manifest.Commits != evidenceCommits {
			return fmt.Errorf("the exported evidence of %d commits: %v", v.Bundle.Manifest.Commits, v.Faults)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.add(Row{What: fmt.Sprintf("evidence of %d commits with all values, verification, p50", evidenceCommits), Value: percentile(took, 0.5), Unit: "ms", Goal: "under 1,000 ms"})
}
