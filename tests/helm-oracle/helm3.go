package main

import (
	"fmt"
	"io"
	"os"
	"sort"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/registry"
)

type helm3 struct{ client *registry.Client }

func newHelm3() helm {
	client, err := registry.NewClient(registry.ClientOptPlainHTTP(), registry.ClientOptWriter(io.Discard))
	if err != nil {
		panic(err)
	}
	return helm3{client}
}

func (helm3) read(files map[string][]byte) (any, error) {
	var all []*loader.BufferedFile
	for name, data := range files {
		all = append(all, &loader.BufferedFile{Name: name, Data: data})
	}
	sort.Slice(all, func(a, b int) bool { return all[a].Name < all[b].Name })
	chart, err := loader.LoadFiles(all)
	if err != nil {
		return nil, err
	}
	return chart.Metadata, nil
}

func (helm3) load(path string) (any, error) {
	chart, err := loader.LoadFile(path)
	if err != nil {
		return nil, err
	}
	return chart.Metadata, nil
}

func (helm3) pack(dir, to, version, appVersion string) (string, error) {
	packing := action.NewPackage()
	packing.Destination, packing.Version, packing.AppVersion = to, version, appVersion
	return packing.Run(dir, nil)
}

// push does what the pusher of `helm push` does, with one client for all pushes.
func (helm helm3) push(path, to string) (string, string, error) {
	chart, err := loader.LoadFile(path)
	if err != nil {
		return "", "", err
	}
	archive, options, err := pushed(path)
	if err != nil {
		return "", "", err
	}
	given := []registry.PushOption{registry.PushOptCreationTime(options.created.Format(time.RFC3339))}
	if options.provenance != nil {
		given = append(given, registry.PushOptProvData(options.provenance))
	}
	ref := fmt.Sprintf("%s/%s:%s", to, chart.Metadata.Name, chart.Metadata.Version)
	result, err := helm.client.Push(archive, ref, given...)
	if err != nil {
		return "", "", err
	}
	return result.Manifest.Digest, result.Config.Digest, nil
}

type pushOptions struct {
	created    time.Time
	provenance []byte
}

// pushed reads what both Helms push of an archive: its bytes, its time, and the provenance file beside it.
func pushed(path string) ([]byte, pushOptions, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, pushOptions{}, err
	}
	archive, err := os.ReadFile(path)
	if err != nil {
		return nil, pushOptions{}, err
	}
	options := pushOptions{created: stat.ModTime()}
	if provenance, err := os.ReadFile(path + ".prov"); err == nil {
		options.provenance = provenance
	}
	return archive, options, nil
}
