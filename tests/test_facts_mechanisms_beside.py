# What stands beside a language model in one repository - models of images and speech, headers carried along, caches of answers,
# loaders of settings, tensors that broadcast shapes - and is none of its parts.
import pytest

from cutaway.facts.components import find_components
from cutaway.facts.roles import role_of
from cutaway.read.memory import program_of

ABOUT = {
    "README.md": "# Marl\n\nRuns large language models: tokens, transformer, KV cache, attention, sampling.\n",
    "marl/words.py": "def facts(kv_cache, n_heads, rope): return kv_cache.len, n_heads, rope, prefill_seen, logits\n",
}


def all_of(key, tree):
    """(file, symbol) of the candidates, best first."""
    return [(c.path, c.symbol) for c in find_components(program_of({**ABOUT, **tree}))[key].candidates]


def first(key, tree):
    """(file, symbol) of the best candidate, or None."""
    return next(iter(all_of(key, tree)), None)


LOADER = """
class NAME {
 public:
  NAME(const std::string& model_path);
  void load_weights(StateDict& state_dict) {
    auto tensor = state_dict.get_tensor("weight");
    weight.copy_(tensor);
  }
  std::vector<std::string> weight_files;
};
"""


def test_a_loader_of_models_of_images_or_speech_steps_back():
    tree = {"src/dit_model_loader.h": LOADER.replace("NAME", "DiTModelLoader")}
    assert first("weight_loader", tree)[0] == "src/dit_model_loader.h"
    tree |= {
        "src/asr_model_loader.h": LOADER.replace("NAME", "AsrModelLoader"),
        "src/whispercpp/model_loader.h": LOADER.replace("NAME", "ModelLoader"),
        "src/hf_model_loader.h": LOADER.replace("NAME", "HFModelLoader"),
    }
    assert first("weight_loader", tree)[0] == "src/hf_model_loader.h"


@pytest.mark.parametrize(
    ("path", "head", "role"),
    [
        ("include/vulkan/vulkan_core.h", "", "vendored"),
        ("gpu/include/CL/cl.h", "", "vendored"),
        ("src/vulkan/pipelines.h", "", "code"),
        ("include/engine/cl.h", "", "code"),
        ("src/api.h", "/* This header is generated from the registry of calls. */", "generated"),
        ("src/api.h", "/* Tokens are generated from the logits. */", "code"),
    ],
)
def test_headers_of_a_system_and_what_is_made_of_them_are_others(path, head, role):
    assert role_of(path, head) == role


CACHE = """
package router

type entryCache struct {
	store map[KEY][]float32
	cap   int
}

func (c *entryCache) put(key KEY, values []float32) {
	if len(c.store) >= c.cap {
		for k := range c.store {
			delete(c.store, k)
		}
	}
	cp := make([]float32, len(values))
	copy(cp, values)
	c.store[key] = cp
}
"""


def test_a_cache_by_text_keeps_answers():
    assert all_of("kv_cache_update", {"core/cache.go": CACHE.replace("KEY", "string")}) == []
    assert first("kv_cache_update", {"core/cache.go": CACHE.replace("KEY", "int")}) == (
        "core/cache.go",
        "entryCache.put",
    )


ATTENTION = """
impl Mixer {
    fn schedule(&self, input: Tensor, cache: Option<Entry>) -> Result<Tensor> {
        let (key_states, value_states) = self.split(input)?;
        let offset = cache.as_ref().map(|kv| kv.entries).unwrap_or(0);
        let k_cache = cache.k_cache.WRITES(key_states, 2, offset)?;
        let v_cache = cache.v_cache.WRITES(value_states, 2, offset)?;
        self.attend(k_cache, v_cache)
    }
}
"""


def test_whoever_gives_the_cache_of_keys_the_new_ones_and_their_place_updates_it():
    found = all_of("kv_cache_update", {"src/mixer.rs": ATTENTION.replace("WRITES", "cache")})
    assert found == [("src/mixer.rs", "Mixer.schedule")]
    assert all_of("kv_cache_update", {"src/mixer.rs": ATTENTION.replace("WRITES", "get")}) == []


LOAD = """
impl Model {
    pub fn assemble(metadata: &Metadata, device: &Device) -> Result<Self> {
        let n_layers = metadata.get("block_count")?;
        let n_heads = metadata.get("head_count")?;
        let cache_shape = shape![1, n_layers as _, SIZES];
        let kv_cache = KVCache::new::<f16>(n_layers as _, cache_shape, device);
        Ok(Self { kv_cache })
    }
}
"""


def test_whoever_writes_the_shape_of_the_cache_accounts_for_it():
    tree = {"src/model.rs": LOAD.replace("SIZES", "Self::MAX_CACHE, hdim as _")}
    assert first("kv_cache_memory_accounting", tree) == ("src/model.rs", "Model.assemble")
    assert first("kv_cache_memory_accounting", {"src/model.rs": LOAD.replace("SIZES", "4, 4")}) is None


ESTIMATE = """
package fits

func needed(p Profile, ctxLen uint32, nLayers uint32) uint64 {
	headCount := p.HeadCountKV
	memoryKV := 2 * uint64(p.HeadDim) * uint64(headCount) * uint64(nLayers) * uint64(ctxLen)
	return p.size + memoryKV
}

func computeVRAM(p Profile, ctxLen uint32, nLayers uint32) uint64 {
	headCountKV := p.HeadCountKV
	M_KV := 2 * uint64(p.HeadDim) * uint64(headCountKV) * uint64(nLayers) * uint64(ctxLen)
	return p.size + M_KV
}
"""


def test_an_estimate_of_memory_with_keys_and_values_in_it_accounts_for_the_cache():
    assert first("kv_cache_memory_accounting", {"pkg/fits/estimate.go": ESTIMATE}) == (
        "pkg/fits/estimate.go",
        "computeVRAM",
    )


CONFIGS = """
package core

func (l *ModelNAMELoader) LoadModelNAMEsFromPath(path string) error {
	data, err := os.ReadFile(path)
	l.names = append(l.names, data.name)
	return l.LoadModelNAMEs(path)
}
"""


def test_a_loader_of_settings_loads_no_weights():
    assert all_of("weight_loader", {"core/loader.go": CONFIGS.replace("NAME", "Config")}) == []
    assert first("weight_loader", {"core/loader.go": CONFIGS.replace("NAME", "Weight")})


TENSOR = """
pub struct NAME {
    rank: usize,
    group: Group,
}

impl NAME {
    pub fn broadcast(self, shape: Shape) -> Result<NAME> { self.lazy(shape, self.rank.broadcast(self.group)) }
    pub fn index_write(self) -> Vec<f32> { self.device.read(self.group, self.rank) }
}
"""


def test_a_tensor_that_broadcasts_shapes_talks_to_nobody():
    assert all_of("tensor_parallel_comm", {"src/network/parts.rs": TENSOR.replace("NAME", "Tensor")}) == []
    assert first("tensor_parallel_comm", {"src/network/parts.rs": TENSOR.replace("NAME", "Parts")})
