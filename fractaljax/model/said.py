"""What is said of the first patches, the bars, before any note: form, returns, chords, rhythm."""

import jax
import jax.numpy as jnp

from fractaljax.model import rhythm
from fractaljax.model.config import ModelConfig
from fractaljax.model.form import form_of, with_form
from fractaljax.model.region import Region

# By what says them, in the order in which it does; the form is several fields, a rhythm two halves.
FIELDS = {'reprise': 'return_NxL', 'harmony': 'chord_NxL'}
HALVES = {'pulse': rhythm.PULSE, 'offbeats': rhythm.OFFBEATS}


def said_of(region: Region, config: ModelConfig) -> dict[str, jax.Array]:
  """Ids (N, L) by what says them: `form` and those of FIELDS and HALVES that the model has."""
  said = {'form': form_of(region, config)} if config.repeats else {}
  fields = {name: getattr(region, field) for name, field in FIELDS.items()}
  said |= {name: id_NxL for name, id_NxL in fields.items() if id_NxL is not None}
  if config.rhythms:
    said |= {name: rhythm.half_of(region.rhythm_NxL, k, config) for name, k in HALVES.items()}
  return said


def with_said(region: Region, name: str, id_NxL, config: ModelConfig) -> Region:
  """Whole rolls of whose bars something else is said."""
  if name == 'form':
    return with_form(region, id_NxL, config)
  id_NxL = jnp.asarray(id_NxL)
  if name in HALVES:
    rhythm_NxL = rhythm.with_half(region.rhythm_NxL, HALVES[name], id_NxL, config)
    return region.replace(rhythm_NxL=rhythm_NxL)
  return region.replace(**{FIELDS[name]: id_NxL})
