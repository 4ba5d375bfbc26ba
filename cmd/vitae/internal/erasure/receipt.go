package erasure

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/ledger/proof"
	"vitae/sinks"
)

// Receipt says what an erasure did. It holds no value of the profile. Its JSON form is
// what is signed and stored.
type Receipt struct {
	Profile ledger.ProfileID `json:"profile"`
	// The erased event's commit.
	Seq    ledger.Seq      `json:"seq"`
	Commit ledger.CommitID `json:"commit"`
	Time   time.Time       `json:"time"`
	Hash   ledger.Hash     `json:"hash"`
	// Proof is where the log proves that the commit is in it.
	Proof  string `json:"proof"`
	Erased bool   `json:"erased"`
	// Completed is when the last step was done.
	Completed time.Time `json:"completed"`
	Destroyed Destroyed `json:"destroyed"`
	// Providers is how the profile's connections stood at the erasure. Nothing was sent to
	// them because of it.
	Providers []sinks.Ended `json:"providers"`
	// Remains names what is left on purpose.
	Remains []string `json:"remains"`
}

// Destroyed counts what went with the profile's key.
type Destroyed struct {
	Key     bool `json:"key"` // it opens nothing any more; this was tried
	Secrets int  `json:"secrets"`
	Files   int  `json:"files"`
	APIKeys int  `json:"apiKeys"`
	// Purged names the stores that were overwritten or rewritten without the profile.
	Purged []string `json:"purged"`
}

// remains is the same for every erasure: see docs/erasure.md.
func remains() []string {
	return []string{
		"the commits' skeletons: sequence, time, actor, names of fields, ids, hashes and salted commitments; the values, salts and reasons in them are sealed under the destroyed key",
		"this receipt",
	}
}

// Text is what is signed: the header of a receipt and one line of JSON.
func (r *Receipt) Text() (string, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	return proof.ReceiptHeader + "\n" + string(b) + "\n", nil
}

// Parse reads what Text made.
func Parse(text string) (*Receipt, error) {
	line, ok := strings.CutPrefix(text, proof.ReceiptHeader+"\n")
	r := &Receipt{}
	if !ok || json.Unmarshal([]byte(line), r) != nil {
		return nil, fmt.Errorf("a receipt: %w", ledger.ErrFormat)
	}
	return r, nil
}
