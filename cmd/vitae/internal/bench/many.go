package bench

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// thirty is 30 fields.
const thirty = `{"firstName":"Jane","lastName":"Smith","email":"jane.smith@example.com","phone":"+33752626164","address":"2029 Stierlin Ct, Mountain View",
"country":"France","province":"Bretagne","birthDate":"1990-01-15","driverLicense":"B","gender":"female","jobTitle":"Product Designer",
"summary":"Founder. Author. Builder.","sector":"Software","employer":"ACME","linkedIn":"jane-smith","website":"janesmith.example","portfolio":"work.janesmith.example",
"headline":"Building postpress","displayName":"Jane Smith","nickName":"Jay","city":"Rennes","postalCode":"35000","landline":"+33240493773",
"twitter":"jane","github":"jane","instagram":"jane","facebook":"jane","skype":"jane","telegram":"jane","maidenName":"Doe"}`

// many measures start-up and memory with many profiles of 30 fields.
func (r *run) many(ctx context.Context) error {
	c, err := r.core(ctx, "many")
	if err != nil {
		return err
	}
	start := time.Now()
	_, err = create(ctx, c, r.Profiles, []byte(thirty))
	took := time.Since(start)
	if err == nil {
		err = c.Views.Wait(ctx, c.Views.Position())
	}
	if closed := c.Close(context.WithoutCancel(ctx)); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := r.add(Row{What: "creating profiles of 30 fields, 64 clients", Value: float64(r.Profiles) / took.Seconds(), Unit: "profiles/s"}); err != nil {
		return err
	}
	debug.FreeOSMemory()
	start = time.Now()
	if c, err = r.core(ctx, "many"); err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	head, err := c.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	if err := c.Views.Wait(ctx, head.Seq); err != nil {
		return err
	}
	if err := c.History.Wait(ctx, head.Seq); err != nil {
		return err
	}
	ready := time.Since(start)
	debug.FreeOSMemory()
	resident, err := residentBytes()
	if err != nil {
		return err
	}
	if err := r.add(Row{What: fmt.Sprintf("start-up with %d profiles of 30 fields, until reads are current", r.Profiles), Value: ready.Seconds(), Unit: "s"}); err != nil {
		return err
	}
	return r.add(Row{What: "resident memory then (of the whole benchmark process)", Value: float64(resident) / (1 << 20), Unit: "MiB"})
}

// residentBytes reads this process's resident memory where the system tells it.
func residentBytes() (uint64, error) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm: %d fields", len(fields))
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize()), err
}
